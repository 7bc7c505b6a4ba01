# The package on a kernel of its own, all of whose processes it sees, and whose cgroups limit it.
. ./lib.sh
uname -sr > /tmp/kernel
echo "-- $(cat /tmp/kernel), $(systemctl --version | head -1)"
mount -t bpf bpf /sys/fs/bpf 2> /dev/null
mount -t tracefs tracefs /sys/kernel/tracing 2> /dev/null
dpkg -i /bed/*.deb > /tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; exit 1; }
# Everything lies in memory here.
sed -i 's/^#keep_free = .*/keep_free = "64MiB"/; s/^#max_bytes = "4GiB"/max_bytes = "512MiB"/; s/^#max_bytes = "2GiB"/max_bytes = "128MiB"/' \
    /etc/ingero-recorder/recorder.toml
systemctl enable --now $S
within 120 "it records" ready
is "it is within its sandbox" equals "$(prop NoNewPrivileges) $(prop ProtectSystem) $(prop DevicePolicy)" "yes strict closed"
group=/sys/fs/cgroup$(prop ControlGroup)
is "the limit of memory holds" equals "$(cat "$group/memory.max")" $((512 << 20))
is "the limit of CPU holds" equals "$(cat "$group/cpu.max")" "50000 100000"
is "the limit of tasks holds" equals "$(cat "$group/pids.max")" 128
load --threads 2 --per-thread 2000 --rate 2000
figure "memory of the unit $(cat "$group/memory.current") bytes, $(awk '/^kernel |^percpu |^anon |^file / {printf "%s %s ", $1, $2}' "$group/memory.stat")"
pid=$(recorder)
kill -9 "$pid"
within 60 "after kill -9 it records again" restarted "$pid"
unload
ingeroctl snapshot --last 60s --after 1s -o /tmp/w.ingero > /dev/null
ingeroctl convert /tmp/w.ingero -o /tmp/w.db > /dev/null 2>&1
is "every launch is a row, those around the kill too" equals \
    "$(ask /tmp/w.db "SELECT count(*) FROM cuda_calls WHERE pid = $load AND op = 'cuLaunchKernel'")" "$(launches)"
is "nothing is lost" equals "$(ask /tmp/w.db 'SELECT ifnull(sum(count), 0) FROM losses')" 0
is "kernel stacks have names" sh -c "ingeroctl query /tmp/w.db \"SELECT frames FROM stacks WHERE kind = 'kernel'\" | grep -q schedule"
is "nothing is amiss" equals "$(ingeroctl status | grep '^warning')" ""
ingeroctl status | head -4
figure "memory of the unit $(cat "$group/memory.current") bytes, at most $(cat "$group/memory.peak" 2> /dev/null || echo unknown)"
echo 'nonsense = 1' >> /etc/ingero-recorder/recorder.toml
is "a wrong configuration is refused at reload" not systemctl reload $S
sed -i '$d' /etc/ingero-recorder/recorder.toml
is "reload succeeds" systemctl reload $S
systemctl stop $S
is "it stops in good order" equals "$(prop Result)" success
is "its probes are gone" not sh -c 'ls -d /sys/fs/bpf/ingero-recorder/*'
dpkg -P ingero-recorder > /tmp/dpkg.log 2>&1
is "purged, no state is left" not test -e $STATE
done_
