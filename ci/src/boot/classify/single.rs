// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Findings of one line, or of two: messages of arm-smmu, of the driver core, and the ends of a kernel's life.

use std::collections::BTreeMap;

use super::headline::normal;
use super::line::Line;
use super::report::clip;
use crate::boot::findings::Finding;
use crate::recipe::FindingKind::{
    self, ContextFault, CrashKernel, DeferredPending, DeferredTimeout, GlobalFault, Kexec, Panic, PowerOff,
    ProbeFailed, Reset, TlbSyncTimeout, UnknownStream,
};

/// Global faults whose second line has not come.
const PENDING_MAX: usize = 8;
/// Bytes of a line, and of a device's name, that are kept.
const WIDTH_MAX: usize = 400;
const DEVICE_MAX: usize = 128;

/// Texts of findings, as Linux prints them since 5.4 at least.
const MARKS: [(&str, FindingKind); 14] = [
    ("Unhandled context fault: ", ContextFault),
    ("Blocked unknown Stream ID ", UnknownStream),
    ("Unexpected global fault", GlobalFault),
    ("TLB sync timed out", TlbSyncTimeout),
    (" failed with error ", ProbeFailed),
    ("deferred probe timeout, ignoring dependency", DeferredTimeout),
    ("deferred probe pending", DeferredPending),
    ("Kernel panic - not syncing", Panic),
    ("reboot: Restarting system", Reset),
    ("reboot: Power down", PowerOff),
    ("reboot: Power off", PowerOff),
    ("Starting new kernel", Kexec),
    ("Starting crashdump kernel", CrashKernel),
    (GLOBAL_REGISTERS, GlobalFault),
];

/// Begin of the second line of a global fault.
const GLOBAL_REGISTERS: &str = "GFSR 0x";
/// First line of an arm64 kernel.
const BOOTING: &str = "Booting Linux on physical CPU";

/// Reads lines that are findings by themselves.
#[derive(Debug, Default)]
pub(super) struct Singles {
    /// Global faults whose registers come with the next line.
    pending: Vec<Finding>,
    /// A kernel has begun.
    running: bool,
    /// Its end was announced.
    ended: bool,
}

impl Singles {
    /// Findings that a line completes. `None` if it is no such line.
    pub(super) fn line(&mut self, line: &Line<'_>) -> Option<Vec<Finding>> {
        let text = line.text;
        if text.contains(BOOTING) {
            let silent = self.running && !self.ended;
            (self.running, self.ended) = (true, false);
            let reset = || finding(line, Reset, None, "");
            return Some(silent.then(reset).into_iter().collect());
        }
        let &(mark, kind) = MARKS.iter().find(|(mark, _)| text.contains(mark))?;
        let (before, after) = text.split_once(mark)?;
        let device = device(before);
        match kind {
            ContextFault => {
                let fields = equations(after);
                let name = |key: &str| fields.get(key).map(|value| format!("{key}={value:#x}"));
                let title: Vec<String> = ["fsr", "cbfrsynra"].into_iter().filter_map(name).collect();
                let found = Finding {
                    fields: fields.clone(),
                    ..finding(line, kind, device, &title.join(" "))
                };
                Some(vec![found])
            }
            UnknownStream => {
                let stream = number(after)?;
                let mut found = finding(line, kind, device, &format!("stream {stream:#x}"));
                found.fields.insert("stream".to_owned(), stream);
                Some(self.wait(found))
            }
            GlobalFault if mark == GLOBAL_REGISTERS => {
                self.registers(device.as_deref(), &text[before.len()..])
            }
            GlobalFault => Some(self.wait(finding(line, kind, device, ""))),
            ProbeFailed => Some(vec![probe_failed(line, before, after)?]),
            // `end Kernel panic` is the end of the same one.
            Panic if before.contains("[ end ") => Some(Vec::new()),
            Panic => {
                let title = normal(after.trim_start_matches(':'));
                Some(vec![finding(line, kind, None, &title)])
            }
            Reset | PowerOff | Kexec | CrashKernel => {
                self.ended = true;
                Some(vec![finding(line, kind, None, "")])
            }
            _ => Some(vec![finding(line, kind, device, "")]),
        }
    }

    /// Findings whose second line was not seen.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.pending)
    }

    /// Keeps a global fault until its registers come; returns those that have lost theirs.
    fn wait(&mut self, found: Finding) -> Vec<Finding> {
        let device = found.device.clone();
        self.pending.push(found);
        let (lost, mut kept): (Vec<_>, Vec<_>) = {
            let last = self.pending.len() - 1;
            let all = std::mem::take(&mut self.pending).into_iter().enumerate();
            let lost = |(at, one): &(usize, Finding)| *at != last && one.device == device;
            all.partition(lost)
        };
        let mut lost: Vec<Finding> = lost.into_iter().map(|(_, one)| one).collect();
        while kept.len() > PENDING_MAX {
            lost.push(kept.remove(0).1);
        }
        self.pending = kept.into_iter().map(|(_, one)| one).collect();
        lost
    }

    /// Completes the global fault of a device with the registers of its second line.
    fn registers(&mut self, device: Option<&str>, text: &str) -> Option<Vec<Finding>> {
        let at = self
            .pending
            .iter()
            .position(|one| one.device.as_deref() == device)?;
        let mut found = self.pending.remove(at);
        for register in text.split(", ") {
            if let Some((name, value)) = register.trim().split_once(' ')
                && let Some(value) = number(value)
                && name.len() <= 8
            {
                found.fields.insert(name.to_ascii_lowercase(), value);
            }
        }
        if found.kind == GlobalFault
            && let Some(gfsr) = found.fields.get("gfsr")
        {
            found.title = format!("gfsr={gfsr:#x}");
        }
        Some(vec![found])
    }
}

fn finding(line: &Line<'_>, kind: FindingKind, device: Option<String>, title: &str) -> Finding {
    let text = clip(line.text.trim(), WIDTH_MAX).to_owned();
    Finding {
        time: line.time.map(str::to_owned),
        ..Finding::new(kind, device, title.to_owned(), text)
    }
}

/// Device of a `dev_err()`: `arm-smmu 30000000.iommu: `.
fn device(before: &str) -> Option<String> {
    let (name, _) = before.trim_end().rsplit_once(':')?;
    let name = name.split_whitespace().next_back()?;
    Some(clip(name, DEVICE_MAX).to_owned())
}

/// `… DEVICE: probe with driver DRIVER failed with error -22`, before 6.7 `DRIVER: probe of DEVICE failed …`.
fn probe_failed(line: &Line<'_>, before: &str, after: &str) -> Option<Finding> {
    let (driver, device) = if let Some((names, driver)) = before.split_once("probe with driver ") {
        (driver, device(names)?)
    } else {
        let (driver, device) = before.split_once(": probe of ")?;
        (driver, device.to_owned())
    };
    let code = after.trim_start_matches('-');
    let digits = code.bytes().take_while(u8::is_ascii_digit).count();
    let error: u64 = code.get(..digits)?.parse().ok()?;
    let driver = clip(driver.trim(), DEVICE_MAX);
    let mut found = finding(
        line,
        ProbeFailed,
        Some(device),
        &format!("{driver}: error -{error}"),
    );
    found.fields.insert("error".to_owned(), error);
    Some(found)
}

/// A hexadecimal number with `0x`, or a decimal one, at the begin of `text`.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    u64::from_str_radix(digits.get(..end)?, radix).ok()
}

/// `fsr=0x402, iova=0x1000, …, cb=0`.
fn equations(text: &str) -> BTreeMap<String, u64> {
    let named = |word: &str| {
        let (name, value) = word.trim().split_once('=')?;
        let plain = (1..=16).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase());
        plain.then_some((name.to_owned(), number(value)?))
    };
    text.split(',').take(8).filter_map(named).collect()
}
