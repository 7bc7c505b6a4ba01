# The RPM from installation to removal, with real rpm. The system around it is Debian's: its presets enable the unit.
. ./lib.sh
old=$(echo /bed/old/*.rpm) new=$(echo /bed/new/*.rpm)
rpm -i --nodeps "$old" || exit 1
is "the group is there" getent group ingero
is "every file is as it was packed" rpm -V --nodeps ingero-recorder
is "installed, the unit is not active" not systemctl is-active -q $S
is "it is enabled as the presets say" systemctl is-enabled -q $S
is "the units are in order" systemd-analyze verify --man=no $S ingero-recorder-release.service
systemctl start $S
within 20 "it records" ready
echo '# mine' >> /etc/ingero-recorder/recorder.toml
load --threads 2 --per-thread 20000 --rate 20000
sleep 0.5
pid=$(recorder)
rpm -U --nodeps "$new"
is "an upgrade starts the new recorder" restarted "$pid"
unload
ingeroctl snapshot --last 60s --after 1s -o /tmp/u.ingero > /dev/null
ingeroctl convert /tmp/u.ingero -o /tmp/u.db > /dev/null 2>&1
is "no launch around the upgrade is missing" equals \
    "$(ask /tmp/u.db "SELECT count(*) FROM cuda_calls WHERE pid = $load AND op = 'cuLaunchKernel'")" "$(launches)"
is "no event of it is lost" equals "$(ask /tmp/u.db 'SELECT ifnull(sum(count), 0) FROM losses')" 0
is "the edited configuration is kept" grep -q '^# mine' /etc/ingero-recorder/recorder.toml
rpm -e --nodeps ingero-recorder
is "erased, it does not run" not systemctl is-active -q $S
is "erased, its probes are gone" not sh -c 'ls -d /sys/fs/bpf/ingero-recorder/*'
is "erased, what was recorded is kept" test -d $STATE/ring
is "erased, the edited configuration is kept aside" test -f /etc/ingero-recorder/recorder.toml.rpmsave
is "erased, its programs and units are gone" not sh -c 'ls /usr/bin/ingero* /usr/lib/systemd/system/ingero*'
done_
