#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Begin of the guest's /init: functions that the steps of a recipe use. For busybox's shell.

export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc 2>/dev/null
mount -t sysfs sysfs /sys 2>/dev/null
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /run /tmp
exec </dev/console >/dev/console 2>&1

# Background steps that go on for ever end when this file is there.
export STOP=/run/stop
# Background steps, each as NUMBER:SECONDS, or NUMBER:SECONDS:abandon.
background=

# shellcheck source=ci/assets/shared.sh
. /steps/shared
# The commands of a step are not the end of the first process.
trap 'say "failed step $step: its commands ended the script"; finish' EXIT
# Every script is read before the first step runs: `check_scripts NUMBER...`.
check_scripts() {
  for step in "$@"; do
    sh -n "/steps/$step" 2>/run/syntax || { say "failed step $step: no script for the shell: $(head -n 1 /run/syntax)"; return 1; }
  done
  return 0
}
# `look_at_smmus NAME:DEVICE...`: SMMUs that have no driver.
look_at_smmus() {
  for smmu in "$@"; do
    [ -e "/sys/bus/platform/devices/${smmu#*:}/driver" ] || say "unbound ${smmu%%:*} ${smmu#*:}"
  done
}
# `offer MODULE`: devices that were held back from a driver that is built in get it, and are probed by it unless their
# bus probes nothing by itself.
offer() {
  held=/lib/modules/held/$1
  [ -e "$held" ] || return 0
  while read -r bus driver device; do
    echo "$driver" >"/sys/bus/$bus/devices/$device/driver_override" ||
      { say "failed step $step: naming the driver $driver to $device"; return 1; }
  done <"$held"
  while read -r bus driver device; do
    read -r autoprobe <"/sys/bus/$bus/drivers_autoprobe"
    [ "$autoprobe" = 0 ] || echo "$device" >"/sys/bus/$bus/drivers_probe" 2>/dev/null
  done <"$held"
  return 0
}
# The list names what the module needs, in order, and itself; it is empty if the kernel has the module built in.
load() {
  list=/lib/modules/load/$1
  offer "$1" || return 1
  shift
  # Names of modules hold no blanks.
  # shellcheck disable=SC2013
  for module in $(cat "$list"); do last=$module; done
  # shellcheck disable=SC2013
  for module in $(cat "$list"); do
    [ -d "/sys/module/$module" ] && continue
    if [ "$module" = "$last" ]; then insmod "/lib/modules/$module.ko" "$@"; else insmod "/lib/modules/$module.ko"; fi ||
      { say "failed step $step: loading $module"; return 1; }
  done
  return 0
}
# Drivers that shall be there before the first step, as if they were built in.
early() {
  [ -e /lib/modules/early ] || return 0
  step=0
  # shellcheck disable=SC2013
  for name in $(cat /lib/modules/early); do
    # shellcheck disable=SC2013
    for module in $(cat "/lib/modules/load/$name"); do
      [ -d "/sys/module/$module" ] || insmod "/lib/modules/$module.ko" || say "note $module is not loaded"
    done
  done
}
# `withdraw MODULE`: takes back what `offer` did.
withdraw() {
  while read -r bus driver device; do
    echo "$device" >"/sys/bus/$bus/drivers/$driver/unbind" 2>/dev/null
    echo held >"/sys/bus/$bus/devices/$device/driver_override"
  done <"/lib/modules/held/$1"
}
unload() {
  if [ -e "/lib/modules/held/$1" ]; then withdraw "$1"; return 0; fi
  rmmod "$(echo "$1" | tr - _)" || { say "failed step $step: unloading $1"; return 1; }
}
put() { echo "$2" >"$1" 2>/dev/null || say "note step $step: writing $2 to $1 failed"; return 0; }
wait_mark() {
  deadline "$3"
  until [ "$(devmem "$2" 32)" = 0x00000001 ]; do
    late && { say "timeout step $step: mark $1 after $3 s"; return 1; }
  done
  return 0
}
# `jitter ADDRESS`: as many turns as the word says, 4095 at most.
jitter() {
  turns=$(($(devmem "$1" 32) & 0xfff))
  while [ "$turns" -gt 0 ]; do turns=$((turns - 1)); done
}
raise_mark() { devmem "$1" 32 1; }
run() {
  timeout "$2" sh -e /steps/script "/steps/$step"
  set -- "$?" "$1"
  [ "$1" = "$2" ] || { say "failed step $step: exit status $1 and not $2"; return 1; }
}
reboot_once() {
  [ "$(devmem "$1" 32)" = 0x00000001 ] && return 0
  raise_mark "$1"
  sync
  reboot -f
  while :; do sleep 1; done
}
wait_path() {
  deadline "$2"
  until for path in $1; do [ -e "$path" ] && break; done; [ -e "$path" ]; do
    late && { say "timeout step $step: $1 after $2 s"; return 1; }
  done
  return 0
}
# The log has the script's own lines too, the one of this step with the text that is waited for among them.
wait_log() {
  deadline "$2"
  until dmesg | grep -vF '@@boot-stress' | grep -qF -e "$1"; do
    late && { say "timeout step $step: \"$1\" in the kernel log after $2 s"; return 1; }
    sleep 0.05
  done
  return 0
}
join() {
  : >"$STOP"
  read -r up rest </proc/uptime
  begin=${up%.*}
  for entry in $background; do
    step=${entry%%:*}
    seconds=${entry#*:}
    end=$((begin + ${seconds%:*}))
    until [ -e "/run/step.$step" ]; do
      late || { sleep 0.05; continue; }
      case $seconds in
        *:abandon)
          say "note step $step: still running ${seconds%:*} s after the last step, and left alone"
          break ;;
        *)
          say "timeout step $step: still running $seconds s after the last step"
          return 1 ;;
      esac
    done
  done
  return 0
}
early
