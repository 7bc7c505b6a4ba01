# What the unit does when something is wrong with the host, the configuration or the disk.
. ./lib.sh
dpkg -i /bed/new/*.deb > /tmp/dpkg.log 2>&1 || exit 1
D=/etc/systemd/system/$S.d
mkdir -p $D
# dropin LINE...: the unit with these lines, not started.
dropin() {
    systemctl stop $S
    systemctl reset-failed $S 2> /dev/null
    rm -f $D/*.conf
    [ $# -eq 0 ] || printf '%s\n' '[Service]' "$@" > $D/fault.conf
    systemctl daemon-reload
    since=$(date '+%F %T.%6N')
}
# Since the last drop-in.
now_logged() { journalctl --sync; journalctl -q -u $S --since "$since" -o cat | grep -qE "$1"; }
# It is given up at once, and one line says why.
refuses() {
    local what=$1 line=$2
    systemctl start $S 2> /dev/null
    within 10 "$what: failed, without trying again" equals "$(prop ActiveState) $(prop NRestarts)" "failed 0"
    is "$what: one line says why" equals "$(journalctl --sync; journalctl -q -u $S --since "$since" -o cat -p err _COMM=ingero-recorder | grep -cE "$line")" 1
}
degrades() {
    local what=$1 line=$2
    systemctl start $S
    within 20 "$what: it records" ready
    within 5 "$what: the status line says what is missing" sh -c "systemctl show -p StatusText $S | grep -qE '$line'"
}

echo "-- configuration"
cp /etc/ingero-recorder/recorder.toml /tmp/good.toml
dropin
head -c 300 /dev/urandom > /etc/ingero-recorder/recorder.toml
refuses "a configuration of random bytes" recorder.toml
dropin
printf '[ring]\nmax_bytes = 7\n' > /etc/ingero-recorder/recorder.toml
refuses "a wrong value" 'line 2: .* a size with its unit'
dropin
cp /bed/checks/recorder-0.1.0.toml /etc/ingero-recorder/recorder.toml
systemctl start $S
within 20 "the configuration of 0.1.0, every key set, is still understood" ready
cp /tmp/good.toml /etc/ingero-recorder/recorder.toml

echo "-- ring"
load --threads 2 --per-thread 2000 --rate 10000
unload
systemctl kill -s KILL $S
dropin
for file in $STATE/ring/head $STATE/ring/RING; do dd if=/dev/urandom of=$file bs=512 count=8 conv=notrunc status=none; done
systemctl start $S
within 20 "a damaged ring does not keep it from recording" ready
is "the damage is told" now_logged 'damaged|unreadable|not a readable|not a head'
is "what was unreadable is kept" sh -c "ls -d $STATE/*bad* $STATE/ring/* 2> /dev/null | grep -q ."
is "older segments are still readable" ingeroctl verify $STATE/ring
dropin
rm -rf $STATE
systemctl start $S
within 20 "a missing state directory is made again" ready
is "with its mode" equals "$(stat -c '%a %U %G' $STATE)" "750 root ingero"

echo "-- disk"
dropin
rm -rf $STATE
mkdir -p $STATE
mount -t tmpfs -o size=48M,mode=750 small $STATE
chgrp ingero $STATE
printf '[ring]\nkeep_free = "1MiB"\nsegment_bytes = "1MiB"\nmax_bytes = "64MiB"\n[snapshot]\nmax_bytes = "16MiB"\n' > /etc/ingero-recorder/recorder.toml
systemctl start $S
within 20 "on a small disk it records" ready
fill=$(df -k --output=avail $STATE | tail -1)
dd if=/dev/zero of=$STATE/others bs=1k count="$fill" status=none 2> /dev/null
load --threads 2 --per-thread 20000 --rate 20000
unload
is "on a full disk it goes on" ready
is "and says that something is wrong" now_logged 'No space|no room|free some space|removed to make room|lost'
rm $STATE/others
load --threads 2 --per-thread 1000 --rate 10000
unload
is "with room again it records as before" sh -c "ingeroctl snapshot --last 5s --after 1s -o /tmp/f.ingero && ingeroctl verify /tmp/f.ingero"
dropin
umount $STATE
cp /tmp/good.toml /etc/ingero-recorder/recorder.toml

echo "-- host"
dropin 'InaccessiblePaths=/sys/kernel/btf'
refuses "without type information" 'btf'
dropin 'CapabilityBoundingSet=~CAP_SYS_ADMIN'
refuses "without CAP_SYS_ADMIN (as under lockdown)" 'CAP_SYS_ADMIN'
dropin 'CapabilityBoundingSet=~CAP_SYSLOG'
degrades "without CAP_SYSLOG" 'CAP_SYSLOG'
dropin 'ProtectKernelTunables=yes'
degrades "with ProtectKernelTunables=" 'ProtectKernelTunables'
dropin 'InaccessiblePaths=/sys/fs/bpf'
degrades "without the BPF file system" '/sys/fs/bpf'
dropin
systemctl start $S
within 20 "with nothing wrong, nothing is told but that a bed is not the whole host" equals "$(ingeroctl status | grep '^warning' | grep -vc 'one PID namespace')" 0
done_
