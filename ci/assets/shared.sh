#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Functions of the scripts of steps, which get this file before their own commands.

say() { echo "<0>@@boot-stress $*" >/dev/kmsg; }
# Result of a step: a name, and a text of one line.
result() { say "result $*"; }
# Seconds of uptime, whole ones, without starting a process. A loop that waits ends with `return 0`: its own status would
# be that of the last look at the clock.
deadline() { read -r up rest </proc/uptime; end=$((${up%.*} + $1)); }
late() { read -r up rest </proc/uptime; [ "${up%.*}" -ge "$end" ]; }
# A 32-bit register: `word ADDRESS` reads it, `word ADDRESS VALUE` writes it.
word() { devmem "$1" 32 ${2:+"$2"}; }
# Waits until a 32-bit register has a value: `wait_word ADDRESS VALUE SECONDS [MASK]`.
wait_word() {
  deadline "$3"
  until [ $(($(word "$1") & ${4:-0xffffffff})) -eq $(($2)) ]; do
    late && { say "note $1 is $(word "$1") and not $2 after $3 s"; return 1; }
  done
  return 0
}
# A register of an SMMU by its names: `smmu_reg SMMU REGISTER [INDEX [VALUE]]`.
smmu_reg() {
  found=$(grep -m 1 "^$1 $2 ${3:-0} " /steps/registers) ||
    { say "note SMMU $1 has no register $2 ${3:-0}"; return 1; }
  written=${4:-}
  # Words: one argument for each.
  # shellcheck disable=SC2086
  set -- $found
  devmem "$4" "$5" ${written:+"$written"}
}
