// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Interrupts that are late, lost, or do not go away.

use super::Injector;
use crate::arch::line::{Line, LineKind};
use crate::device::injection::injector::Late;
use crate::host::emit::drive_line;
use crate::host::env::Host;
use crate::host::injected::InjectionPoint;
use crate::plan::{DelayRule, InjectionKind, InjectionRule, Site, Sites};

impl Late {
    /// Has the host call when the interrupt is due.
    fn wake(&self, host: &mut dyn Host) {
        host.wake_at(self.deadline);
        // After that: raising the mark from now on wakes the host.
        if self.mark.as_deref().is_some_and(|name| host.mark(name)) {
            host.wake_at(host.now());
        }
    }
}

impl Injector {
    /// Has the host call when an interrupt is due.
    pub(crate) fn wake(&self, host: &mut dyn Host) {
        for late in &self.late {
            late.wake(host);
        }
    }

    /// A line has a new level, or asks again.
    pub(crate) fn line(&mut self, host: &mut dyn Host, line: Line, level: bool) {
        if !self.watches(Sites::LINES) && self.late.is_empty() {
            self.drive(host, line, level);
        } else if level {
            self.rises(host, line);
        } else {
            self.falls(host, line);
        }
    }

    fn rises(&mut self, host: &mut dyn Host, line: Line) {
        if self.is_late(line) {
            return;
        }
        let at = InjectionPoint {
            line: Some(line),
            ..InjectionPoint::default()
        };
        let lost = |rule: &InjectionRule| {
            rule.kind == InjectionKind::InterruptLost && is_for_line(line, rule.line, rule.index)
        };
        if self.injection(host, at, lost).is_some() {
            return;
        }
        let late =
            |rule: &DelayRule| rule.site == Site::Interrupt && is_for_line(line, rule.line, rule.index);
        match self.delay(host, at, late) {
            None => self.drive(host, line, true),
            Some((rule, hit)) => {
                let deadline = rule.deadline(&hit, host);
                let mark = rule.until.clone();
                let late = Late { line, deadline, mark };
                late.wake(host);
                self.late.push(late);
            }
        }
    }

    fn falls(&mut self, host: &mut dyn Host, line: Line) {
        if self.is_late(line) {
            return;
        }
        let at = InjectionPoint {
            line: Some(line),
            ..InjectionPoint::default()
        };
        let stuck = |rule: &InjectionRule| {
            rule.kind == InjectionKind::InterruptStuck && is_for_line(line, rule.line, rule.index)
        };
        let stays = self.injection(host, at, stuck).is_some();
        self.drive(host, line, stays);
    }

    /// Gives a line a level that may not be what its cause asks for.
    pub(crate) fn drive(&mut self, host: &mut dyn Host, line: Line, level: bool) {
        self.high.retain(|other| *other != line);
        if level {
            self.high.push(line);
        }
        drive_line(host, line, level);
    }

    /// Whether the host was last told that a line is high.
    pub(crate) fn is_high(&self, line: Line) -> bool {
        self.high.contains(&line)
    }

    /// Time at which the next interrupt is due that is on its way.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.late.iter().map(|late| late.deadline).min()
    }

    pub(super) fn is_late(&self, line: Line) -> bool {
        self.late.iter().any(|late| late.line == line)
    }

    /// Takes out what has arrived.
    pub(crate) fn arrived(&mut self, host: &dyn Host) -> Vec<Line> {
        let now = host.now();
        let due =
            |late: &Late| late.deadline <= now || late.mark.as_deref().is_some_and(|name| host.mark(name));
        let arrived = self
            .late
            .iter()
            .filter(|late| due(late))
            .map(|late| late.line)
            .collect();
        self.late.retain(|late| !due(late));
        arrived
    }
}

fn is_for_line(line: Line, kind: Option<LineKind>, index: Option<u16>) -> bool {
    let (of, number) = line.kind();
    kind.is_none_or(|kind| kind == of) && index.is_none_or(|index| index == u16::from(number))
}
