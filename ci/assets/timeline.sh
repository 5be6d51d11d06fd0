#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Functions of a guest whose kernel traces itself, which follow those of prelude.sh. The trace leaves the guest by its
# second serial port.

tracing=/sys/kernel/tracing
# What the script says stands in the trace, too.
say() {
  echo "<0>@@boot-stress $*" >/dev/kmsg
  [ ! -e $tracing/trace_marker ] || echo "$*" >$tracing/trace_marker
}
# `probe FUNCTION ARGUMENT...`: an event at the start of a kernel's function, and FUNCTION_end at its end. Of functions of
# one name, and of parts that the compiler has made of it, the one in the object of the SMMUv2's driver is meant. Arguments are
# in x0 and on.
probe() {
  name=$1
  shift
  at=$(grep -nE "^[^ ]+ [tT] $name(\.(isra|constprop|part)\.[.a-z0-9]+)?$" /run/symbols |
    while IFS=': ' read -r line address rest; do
      distance=$((line - driver))
      echo "${distance#-} $(printf '_stext+%#x' $((0x$address - stext)))"
    done | sort -n | head -n 1)
  # shellcheck disable=SC2016
  if [ -z "$at" ] || ! echo "p:smmu/$name ${at#* } $*" >>$tracing/kprobe_events ||
    ! echo "r:smmu/${name}_end ${at#* } "'value=$retval:s32' >>$tracing/kprobe_events; then
    say "note the kernel has no function $name that can be traced"
  fi 2>/dev/null
}
# Who waits for `iommu_probe_device_lock`, and who holds it: of all mutexes, this one.
probe_lock() {
  lock=$(grep -m 1 ' [bBdD] iommu_probe_device_lock$' /run/symbols) || lock=
  if [ -z "$lock" ] ||
    ! {
      echo "p:smmu/lock_wait mutex_lock lock=\$arg1:x64"
      echo "r:smmu/lock_held mutex_lock lock=\$arg1:x64"
      echo "p:smmu/lock_free mutex_unlock lock=\$arg1:x64"
    } >>$tracing/kprobe_events 2>/dev/null; then
    say "note iommu_probe_device_lock cannot be traced in this kernel"
    return 0
  fi
  for event in lock_wait lock_held lock_free; do
    echo "lock == 0x${lock%% *}" >$tracing/events/smmu/$event/filter
  done
}
# `compare_clocks ADDRESS`: reads the server's clock between two events. The trace has what was read.
compare_clocks() {
  echo 1 >$tracing/events/clock/enable
  for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    clock=$(devmem "$1" 64)
    echo "clock $turn $clock" >$tracing/trace_marker
  done
  echo 0 >$tracing/events/clock/enable
}
# `trace_begin ADDRESS`: the address is that of the server's clock.
trace_begin() {
  mount -t tracefs tracefs $tracing 2>/dev/null
  [ -e $tracing/kprobe_events ] ||
    { say "note the kernel cannot trace its functions: it lacks CONFIG_KPROBE_EVENTS"; return 0; }
  grep -E ' (_stext|iommu_probe_device_lock|mmap_mem.*|device_add|_*[a-z_]*(probe|iommu|arm_smmu)[a-z_]*(\.[.a-z0-9]+)?)$' /proc/kallsyms >/run/symbols
  # The order of the symbols is that of their addresses, and an object's stand together.
  driver=$(grep -nE ' [tT] arm_smmu_context_fault$' /run/symbols | head -n 1)
  driver=${driver%%:*}
  stext=$(grep -m 1 ' _stext$' /run/symbols)
  stext=$((0x${stext%% *}))
  echo mono >$tracing/trace_clock
  echo 4096 >$tracing/buffer_size_kb
  dev='dev=+0(+0(%x0)):string'
  probe really_probe "$dev" 'driver=+0(+0(%x1)):string'
  probe device_add "$dev"
  probe driver_deferred_probe_add "$dev"
  probe deferred_probe_work_func
  probe of_iommu_configure "$dev"
  probe iommu_fwspec_init "$dev"
  probe iommu_probe_device "$dev"
  probe __iommu_probe_device "$dev"
  probe iommu_device_register 'dev=+0(+0(%x2)):string'
  probe arm_smmu_device_probe 'dev=+0(+16(%x0)):string'
  probe arm_smmu_device_reset
  probe arm_smmu_probe_device "$dev"
  probe arm_smmu_attach_dev 'dev=+0(+0(%x1)):string'
  probe arm_smmu_context_fault 'irq=%x0:s32'
  probe arm_smmu_global_fault 'irq=%x0:s32'
  probe arm_smmu_runtime_resume "$dev"
  probe arm_smmu_runtime_suspend "$dev"
  probe_lock
  # The page is mapped, and the program goes on to read it; then it prints.
  for event in "p:clock/clock_mapped $(grep -m 1 -oE 'mmap_mem(_prepare)?$' /run/symbols)" \
    'r:clock/clock_mapped_end __arm64_sys_mmap' 'p:clock/clock_print vfs_fstat' 'p:clock/clock_print_end vfs_write'; do
    echo "$event" >>$tracing/kprobe_events || say "note the kernel has nothing for the event $event"
  done 2>/dev/null
  echo 1 >$tracing/events/smmu/enable
  compare_clocks "$1"
}
# `trace_end ADDRESS`: the trace leaves the guest, which waits for it.
trace_end() {
  [ -e $tracing/kprobe_events ] || return 0
  compare_clocks "$1"
  echo 0 >$tracing/tracing_on
  stty -F /dev/ttyAMA1 raw && cat $tracing/trace >/dev/ttyAMA1
}
