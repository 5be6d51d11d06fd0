// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The steps of a recipe as the guest's `/init`: a script for busybox's shell.
//!
//! What the script says goes through `/dev/kmsg` at the highest level: the kernel then prints it as one line with a
//! time stamp, in order with its own lines, and even when the console is quiet.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use guest_images::machine::layout::Layout;
use guest_images::system::initramfs::ExtraFile;

use crate::recipe::{Action, Recipe, Step};

/// Kernel arguments of every boot, before those of the recipe. The self-tests of the crypto API take a tenth of a boot
/// and have nothing to do with IOMMUs.
const CMDLINE: &str = "console=ttyAMA0 earlycon panic=-1 printk.devkmsg=on cryptomgr.notests";
/// Room for the kernel log of a quiet recipe, which is printed at the end: floods must not overwrite it.
const QUIET_CMDLINE: &str = "log_buf_len=8M";
/// Longest time from a reset to the first step, in seconds.
const REBOOT_S: u32 = 90;
/// Directory of the scripts of the steps in the guest, and of what they share.
const STEPS: &str = "/steps";
/// How long background steps may go on after the last other step, in seconds.
const JOIN_S: u32 = 60;

/// The kernel's command line.
pub fn cmdline(recipe: &Recipe) -> String {
    let mut line = CMDLINE.to_owned();
    if recipe.quiet {
        line.push(' ');
        line.push_str(QUIET_CMDLINE);
    }
    for argument in &recipe.cmdline {
        line.push(' ');
        line.push_str(argument);
    }
    line
}

/// Longest time that the script itself may take, in seconds: what a boot's time limit has to allow for.
pub fn time_limit_s(recipe: &Recipe) -> u64 {
    let steps = recipe
        .steps
        .iter()
        .filter(|step| !step.background)
        .map(|step| match &step.action {
            Action::WaitMark { timeout_s, .. }
            | Action::WaitPath { timeout_s, .. }
            | Action::WaitLog { timeout_s, .. }
            | Action::Run { timeout_s, .. } => u64::from(*timeout_s),
            Action::Reboot { .. } => u64::from(REBOOT_S),
            Action::Sleep { ms } => u64::from(*ms).div_ceil(1000),
            _ => 0,
        });
    let background = recipe.steps.iter().any(|step| step.background);
    steps.sum::<u64>()
        + if background { u64::from(JOIN_S) } else { 0 }
        + u64::from(recipe.settle_ms).div_ceil(1000)
}

/// What the script of a step begins with, and the others too.
const SHARED: &str = r#"
say() { echo "<0>@@boot-stress $*" >/dev/kmsg; }
# What a step has found: a name, and a text of one line.
result() { say "result $*"; }
"#;

/// The functions that the steps use.
const PRELUDE: &str = r#"#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc 2>/dev/null
mount -t sysfs sysfs /sys 2>/dev/null
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /run /tmp
exec </dev/console >/dev/console 2>&1

# Background steps that go on for ever end when this file is there.
export STOP=/run/stop
background=

. /steps/shared
# Seconds of uptime, whole ones, without starting a process. A loop that waits ends with `return 0`: its own status would
# be that of the last look at the clock.
deadline() { read -r up rest </proc/uptime; end=$((${up%.*} + $1)); }
late() { read -r up rest </proc/uptime; [ "${up%.*}" -ge "$end" ]; }
# The list names what the module needs, in order, and itself; it is empty if the kernel has the module built in.
load() {
  list=/lib/modules/load/$1
  shift
  for module in $(cat "$list"); do last=$module; done
  for module in $(cat "$list"); do
    [ -d "/sys/module/$module" ] && continue
    if [ "$module" = "$last" ]; then insmod "/lib/modules/$module.ko" "$@"; else insmod "/lib/modules/$module.ko"; fi ||
      { say "failed step $step: loading $module"; return 1; }
  done
  return 0
}
unload() { rmmod "$(echo "$1" | tr - _)" || { say "failed step $step: unloading $1"; return 1; }; }
put() { echo "$2" >"$1" 2>/dev/null || say "note step $step: writing $2 to $1 failed"; return 0; }
wait_mark() {
  deadline "$3"
  until [ "$(devmem "$2" 32)" = 0x00000001 ]; do
    late && { say "timeout step $step: mark $1 after $3 s"; return 1; }
  done
  return 0
}
raise_mark() { devmem "$1" 32 1; }
run() {
  timeout "$2" sh -e "/steps/$step"
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
wait_log() {
  deadline "$2"
  until dmesg | grep -qF -e "$1"; do
    late && { say "timeout step $step: \"$1\" in the kernel log after $2 s"; return 1; }
    sleep 0.05
  done
  return 0
}
join() {
  : >"$STOP"
  deadline "$1"
  for step in $background; do
    until [ -e "/run/step.$step" ]; do
      late && { say "timeout step $step: still running $1 s after the last step"; return 1; }
      sleep 0.05
    done
  done
  return 0
}
"#;

/// What runs after the steps; `finish` is also what a failed step jumps to.
const POSTLUDE: &str = r#"
  say done
  poweroff -f
  # Nothing may follow the death of the first process but the end.
  while :; do sleep 1; done
}
"#;

/// The script for a recipe whose devices lie as `layout` says.
pub fn init(recipe: &Recipe, layout: &Layout) -> String {
    let mut script = PRELUDE.to_owned();
    script.push_str("finish() {\n");
    if recipe.quiet {
        script.push_str(&dump(&recipe.dmesg_drop));
    }
    script.push_str(POSTLUDE);
    for (number, step) in (1..).zip(&recipe.steps) {
        if let Some(note) = &step.note {
            for line in note.lines() {
                let _ = writeln!(script, "# {line}");
            }
        }
        let _ = writeln!(
            script,
            "step_{number}() {{\n{}\n}}",
            step_body(step, recipe, layout)
        );
    }
    script.push_str("\nsay begin\n");
    if recipe.quiet {
        script.push_str("dmesg -n 1\n");
    }
    for (number, step) in (1..).zip(&recipe.steps) {
        let text = quote(&resolve(&step.action.describe(), layout));
        let _ = writeln!(script, "step={number}; say \"step {number}\" {text}");
        let _ = if step.background {
            writeln!(
                script,
                "{{ step_{number}; : >/run/step.{number}; }} &\nbackground=\"$background {number}\""
            )
        } else {
            writeln!(
                script,
                "step_{number} || {{ say \"failed step {number}\"; finish; }}"
            )
        };
    }
    let _ = writeln!(
        script,
        "join {JOIN_S} || finish\nsleep {}\nfinish",
        decimal_seconds(recipe.settle_ms)
    );
    script
}

/// What the script reads: what is shared, and the scripts of the steps that run one.
pub fn files(recipe: &Recipe, layout: &Layout) -> Vec<ExtraFile> {
    let file = |name: &str, text: String| ExtraFile {
        path: format!("{STEPS}/{name}"),
        mode: 0o644,
        contents: text.into_bytes(),
    };
    let scripts = (1..)
        .zip(&recipe.steps)
        .filter_map(|(number, step)| match &step.action {
            Action::Run { commands, .. } => {
                let commands = resolve(commands, layout);
                Some(file(
                    &format!("{number}"),
                    format!(". {STEPS}/shared\n{commands}\n"),
                ))
            }
            _ => None,
        });
    [file("shared", SHARED.to_owned())]
        .into_iter()
        .chain(scripts)
        .collect()
}

/// Prints the kernel log since the script began, without the floods, and waits until it has left the serial port.
fn dump(drop: &[String]) -> String {
    let mut filter = String::new();
    if !drop.is_empty() {
        filter.push_str(" | grep -vF");
        for text in drop {
            let _ = write!(filter, " -e {}", quote(text));
        }
    }
    format!(
        r#"  dmesg | grep -qF '@@boot-stress begin' || say "failed kernel log: it was overwritten; raise log_buf_len"
  echo; echo '@@boot-stress dmesg begin'
  dmesg | sed -n '/@@boot-stress begin/,$p'{filter}
  echo '@@boot-stress dmesg end'
  stty -echo"#
    )
}

/// The action; then the mark that it raises, whose writing must not hide that the action failed.
fn step_body(step: &Step, recipe: &Recipe, layout: &Layout) -> String {
    let commands = commands(&step.action, recipe, layout);
    match &step.raises {
        None => commands,
        Some(mark) => {
            let address = mark_address(mark, recipe, layout);
            format!("{{\n{commands}\n}}\nset -- $?\nraise_mark {address}\nreturn $1")
        }
    }
}

/// Where the guest finds the word of a mark.
fn mark_address(name: &str, recipe: &Recipe, layout: &Layout) -> String {
    let number = recipe.marks.iter().position(|mark| mark.name == name);
    let page = layout.smmus.first().map_or(0, |smmu| smmu.marks);
    format!("{:#x}", page + 4 * number.unwrap_or(0) as u64)
}

fn commands(action: &Action, recipe: &Recipe, layout: &Layout) -> String {
    let text = |text: &str| quote(&resolve(text, layout));
    let mark = |name: &str| mark_address(name, recipe, layout);
    match action {
        // Parameters are words of their own.
        Action::Load { module, args } => format!("load {module} {}", resolve(args, layout))
            .trim_end()
            .to_owned(),
        Action::Unload { module } => format!("unload {module}"),
        Action::Write { path, value } => format!("put {} {}", text(path), text(value)),
        Action::WaitMark {
            mark: name,
            timeout_s,
        } => {
            format!("wait_mark {} {} {timeout_s}", quote(name), mark(name))
        }
        Action::RaiseMark { mark: name } => format!("raise_mark {}", mark(name)),
        Action::WaitPath { path, timeout_s } => format!("wait_path {} {timeout_s}", text(path)),
        Action::WaitLog {
            text: wanted,
            timeout_s,
        } => format!("wait_log {} {timeout_s}", text(wanted)),
        Action::Sleep { ms } => format!("sleep {}", decimal_seconds(*ms)),
        Action::Run {
            status, timeout_s, ..
        } => format!("run {status} {timeout_s}"),
        Action::Reboot { mark: name } => format!("reboot_once {}", mark(name)),
        // Its last command may well fail, in a race.
        Action::Shell { commands } => format!("{}\n:", resolve(commands, layout).trim_end()),
    }
}

/// Puts in device names for `${client}` and `${smmu}`; other `${…}` are the shell's.
fn resolve(text: &str, layout: &Layout) -> String {
    let names = layout
        .clients
        .iter()
        .map(|c| &c.name)
        .chain(layout.smmus.iter().map(|s| &s.name));
    let mut text = text.to_owned();
    for name in names {
        if let Some(device) = layout.sysfs_name(name) {
            text = text.replace(&format!("${{{name}}}"), &device);
        }
    }
    text
}

/// As one word of a POSIX shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn decimal_seconds(ms: u32) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}
