# The Debian package from first installation to purge.
. ./lib.sh
old=$(echo /bed/old/*.deb) new=$(echo /bed/new/*.deb)

echo "-- installation"
begun=$(milliseconds)
dpkg -i "$old" > /tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; exit 1; }
is "installed, the unit is not active" not systemctl is-active -q $S
is "installed, the unit is not enabled" not systemctl is-enabled -q $S
is "the group is there" getent group ingero
is "the units are in order" systemd-analyze verify --man=no $S ingero-snapshot@x.service ingero-recorder-release.service
is "the manual pages can be read" sh -c 'man ingeroctl-snapshot && man ingero-recorder && man recorder.toml'
is "the shell completes" bash -c '. /usr/share/bash-completion/completions/ingeroctl; complete -p ingeroctl'
figure "security $(systemd-analyze security $S --no-pager 2>&1 | tail -1)"
systemctl enable --now $S
within 20 "it records" ready
figure "installation to recording $(($(milliseconds) - begun)) ms"
is "it is enabled" systemctl is-enabled -q $S
is "its directories have their modes" equals "$(stat -c '%a %U %G' $STATE /run/ingero-recorder | tr '\n' ' ')" \
    "750 root ingero 750 root ingero "
is "the socket is of the group" equals "$(stat -c '%a %U %G' /run/ingero-recorder/control.sock)" "660 root ingero"
useradd -G ingero member
useradd stranger
is "a member of the group is answered" runuser -u member -- ingeroctl status
is "a stranger is not, and is told why" sh -c 'runuser -u stranger -- ingeroctl status 2>&1 | grep "group ingero"'
within 5 "the status line says what is held" sh -c "systemctl show -p StatusText $S | grep -qE 'of past held, nothing lost'"

echo "-- recording inside the sandbox"
load --threads 4 --per-thread 2000 --rate 20000
unload
ingeroctl snapshot --last 60s --after 1s -o /tmp/w.ingero > /tmp/snapshot.log
ingeroctl convert /tmp/w.ingero -o /tmp/w.db > /dev/null 2>&1
of="FROM cuda_calls WHERE pid = $load AND op = 'cuLaunchKernel'"
is "every launch is a row" equals "$(ask /tmp/w.db "SELECT count(*) $of")" "$(launches)"
is "nothing is lost" equals "$(ask /tmp/w.db 'SELECT count(*) FROM losses')" 0
is "scheduling is recorded" test "$(ask /tmp/w.db 'SELECT count(*) FROM off_cpu')" -gt 10
is "kernel stacks have names" sh -c "ingeroctl query /tmp/w.db \"SELECT frames FROM stacks WHERE kind = 'kernel'\" | grep -q schedule"
is "libraries are named through /proc" sh -c "ingeroctl status | grep -q libcuda.so.1"
mkdir /mnt/of-another
unshare --mount --propagation private sh -c 'mount -t tmpfs own /mnt/of-another && cp -r /bed/standin /mnt/of-another/ &&
    exec runuser -u stranger -- env LD_LIBRARY_PATH=/mnt/of-another/standin /mnt/of-another/standin/standin-calls \
        --per-thread 10 --start-on-stdin --linger' < <(sleep 60) > /tmp/another.out &
within 20 "a library that only another user's mount namespace has is probed" sh -c "ingeroctl status | grep -q of-another"
cp -r /bed/standin /tmp/gone
LD_LIBRARY_PATH=/tmp/gone /tmp/gone/standin-calls --per-thread 10 --start-on-stdin --linger < <(sleep 60) > /tmp/gone.out &
gone=$!
until grep -q READY /tmp/gone.out; do sleep 0.05; done
rm -rf /tmp/gone
within 20 "a program whose library was deleted is covered" covered $gone
kill %?of-another $gone 2> /dev/null
wait %?of-another 2> /dev/null
is "nothing is amiss but that a bed is not the whole host" equals "$(ingeroctl status | grep '^warning' | grep -vc 'one PID namespace')" 0
is "probes outlive it: they are pinned" sh -c 'ls /sys/fs/bpf/ingero-recorder/*/* | grep -q .'

echo "-- signals and reload"
systemctl kill -s USR1 --kill-who=main $S
within 10 "USR1 takes a snapshot" logged 'snapshot .* taken'
id=$(ingeroctl snapshots | grep -oE '[0-9]{8}T[0-9]{6}-[0-9]{4}' | tail -1)
is "the journal finds it by its id, as a warning" sh -c "journalctl -q -p warning INGERO_SNAPSHOT=$id -o cat | grep -q taken"
sed -i 's/^#max_per_hour = .*/max_per_hour = 7/' /etc/ingero-recorder/recorder.toml
is "reload succeeds" systemctl reload $S
is "reload has taken effect when it returns" logged 'configuration reloaded'
cp /etc/ingero-recorder/recorder.toml /tmp/good.toml
echo 'nonsense = 1' >> /etc/ingero-recorder/recorder.toml
is "a wrong configuration is refused" not systemctl reload $S
is "and said to be wrong" logged 'not reloaded.*nonsense'
within 5 "the status line says so too" sh -c "systemctl show -p StatusText $S | grep -q 'not reloaded'"
cp /tmp/good.toml /etc/ingero-recorder/recorder.toml
systemctl reload $S

echo "-- annotations where clients of the Ingero agent look"
sed -i 's|^#listen = "unix"$|listen = "/run/ingero/annotate.sock"|' /etc/ingero-recorder/recorder.toml
systemctl restart $S
within 20 "the socket is there" test -S /run/ingero/annotate.sock
perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => "/run/ingero/annotate.sock") or die;
    print $s qq({"labels":{"step":"42"}}\n); close $s' || echo "perl could not write"
sleep 0.5
ingeroctl snapshot --last 20s --after 1s -o /tmp/a.ingero > /dev/null
ingeroctl convert /tmp/a.ingero -o /tmp/a.db > /dev/null 2>&1
is "what a program says there is in SQL" equals "$(ask /tmp/a.db "SELECT count(*) FROM annotations WHERE labels LIKE '%step%42%'")" 1
# On with the rest at the default place.
cp /tmp/good.toml /etc/ingero-recorder/recorder.toml
systemctl restart $S
within 20 "it records again" ready

echo "-- other units ask for snapshots"
printf '[Unit]\nOnFailure=ingero-snapshot@%%n.service\n[Service]\nExecStart=/bin/false\n' > /etc/systemd/system/server.service
systemctl daemon-reload
systemctl start server.service
within 30 "a unit that fails gets a snapshot" sh -c 'ingeroctl snapshots | grep -q "unit server.service exit-code"'

echo "-- kill and hang"
load --threads 2 --per-thread 5000 --rate 5000
sleep 0.3
pid=$(recorder)
begun=$(milliseconds)
kill -9 "$pid"
until restarted "$pid"; do sleep 0.02; done
figure "kill -9 to recording $(($(milliseconds) - begun)) ms"
is "it goes on where it stopped" logged 'recording goes on where it stopped'
unload
ingeroctl snapshot --last 60s --after 1s -o /tmp/k.ingero > /dev/null
ingeroctl convert /tmp/k.ingero -o /tmp/k.db > /dev/null 2>&1
is "the ring is whole" ingeroctl verify $STATE/ring
is "no launch around the kill is missing" equals \
    "$(ask /tmp/k.db "SELECT count(*) FROM cuda_calls WHERE pid = $load AND op = 'cuLaunchKernel'")" "$(launches)"
is "nothing was lost by it" equals "$(ask /tmp/k.db 'SELECT ifnull(sum(count), 0) FROM losses')" 0
mkdir -p /etc/systemd/system/$S.d
printf '[Service]\nWatchdogSec=2s\n' > /etc/systemd/system/$S.d/quick.conf
systemctl daemon-reload
systemctl restart $S
pid=$(recorder)
kill -STOP "$pid"
within 30 "a hang is ended by the watchdog" restarted "$pid"
is "the journal says so" sh -c "journalctl -b -q -u $S | grep -qi 'watchdog timeout'"
rm /etc/systemd/system/$S.d/quick.conf
systemctl daemon-reload

echo "-- stop"
systemctl stop $S
is "it stops in good order" equals "$(prop Result)" success
is "and says so" logged 'stopped cleanly'
is "its run directory is gone" not test -e /run/ingero-recorder
is "its probes are gone" not sh -c 'ls -d /sys/fs/bpf/ingero-recorder/*'
systemctl start $S
within 20 "it starts again" ready

echo "-- given up"
printf '[Unit]\nStartLimitBurst=2\n' > /etc/systemd/system/$S.d/quick.conf
systemctl daemon-reload
systemctl reset-failed $S
for _ in 1 2 3; do
    within 10 "it runs" ready
    kill -9 "$(recorder)"
    sleep 1.3
    [ "$(prop ActiveState)" != failed ] || break
done
within 10 "after too many failures it is given up" equals_state failed
within 20 "and its probes go" not sh -c 'ls -d /sys/fs/bpf/ingero-recorder/*'
rm /etc/systemd/system/$S.d/quick.conf
systemctl daemon-reload
systemctl reset-failed $S
systemctl start $S
within 20 "started by hand it records again" ready

echo "-- upgrade under load"
load --threads 4 --per-thread 110000 --rate 65000
sleep 1
# The counters are read each second.
before=$(number produced)
sleep 2
figure "events $((($(number produced) - before) / 2)) a second"
pid=$(recorder)
begun=$(milliseconds)
dpkg -i --force-confdef "$new" > /tmp/dpkg.log 2>&1 || cat /tmp/dpkg.log
is "another process records now" restarted "$pid"
figure "upgrade $(($(milliseconds) - begun)) ms"
unload
figure "rate $(rate) calls/s"
ingeroctl snapshot --last 60s --after 1s -o /tmp/u.ingero > /dev/null
ingeroctl convert /tmp/u.ingero -o /tmp/u.db > /dev/null 2>&1
is "no launch around the upgrade is missing" equals \
    "$(ask /tmp/u.db "SELECT count(*) FROM cuda_calls WHERE pid = $load AND op = 'cuLaunchKernel'")" "$(launches)"
is "no event of it is lost" equals "$(ask /tmp/u.db 'SELECT ifnull(sum(count), 0) FROM losses')" 0
is "every number is accounted for" sh -c "ingeroctl verify $STATE | grep -q 'conservation holds'"
is "the edited configuration is kept" grep -q '^max_per_hour = 7' /etc/ingero-recorder/recorder.toml
is "what runs is the new file" equals "$(readlink "/proc/$(recorder)/exe")" /usr/bin/ingero-recorder
figure "memory of the unit's process $(awk '/^VmRSS/ {print $2}' "/proc/$(recorder)/status") KiB resident, $(awk '/^RssAnon/ {print $2}' "/proc/$(recorder)/status") KiB of it anonymous"

echo "-- removal"
apt-get remove -qq -y ingero-recorder > /tmp/dpkg.log 2>&1 || dpkg -r ingero-recorder > /tmp/dpkg.log 2>&1
is "removed, it does not run" not systemctl is-active -q $S
is "removed, its probes are gone" not sh -c 'ls -d /sys/fs/bpf/ingero-recorder/*'
is "removed, what was recorded is kept" test -d $STATE/ring
is "removed, the configuration is kept" test -f /etc/ingero-recorder/recorder.toml
dpkg -P ingero-recorder > /tmp/dpkg.log 2>&1
is "purged, nothing is left" equals "$(find / -xdev -path /bed -prune -o -name '*ingero*' ! -path '/proc/*' ! -path '/tmp/*' ! -path '/var/log/*' ! -path '/var/cache/man/*' -print | tr '\n' ' ')" ""
done_
