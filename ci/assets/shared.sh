#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Functions of the scripts of steps, which get this file before their own commands.

say() { echo "<0>@@boot-stress $*" >/dev/kmsg; }
# Result of a step: a name, and a text of one line.
result() { say "result $*"; }
