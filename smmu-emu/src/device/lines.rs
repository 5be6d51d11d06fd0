// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Interrupt lines: the level of each, from the registers; interrupts that the plan holds back.

use crate::arch::line::Line;
use crate::device::smmu::Smmu;
use crate::host::env::Host;
use crate::spec::bank::ContextFaults;
use crate::spec::global::GlobalFaults;

impl Smmu {
    /// The level that a line should have: a fault is recorded and may interrupt. MULTI counts, SS does not.
    pub(crate) fn level(&self, line: Line) -> bool {
        match line {
            Line::Global => {
                let (scr0, faults) = (self.registers.scr0(), self.registers.global_faults());
                let configuration = faults.contains(GlobalFaults::CAF);
                let other = !faults.difference(GlobalFaults::CAF).is_empty();
                (scr0.gfie() && other) || (scr0.gcfgfie() && configuration)
            }
            Line::Context(_) if self.geometry.is_version_1() => self
                .geometry
                .banks()
                .any(|bank| self.line_of(bank) == line && self.asks(bank)),
            Line::Context(bank) => self.asks(bank),
            Line::Pmu(group) => self.pmu.interrupts(&self.geometry, group),
        }
    }

    /// Whether a context bank asks for its interrupt.
    fn asks(&self, bank: u8) -> bool {
        let faults = self.registers.context_faults(bank).difference(ContextFaults::SS);
        self.registers.sctlr(bank).cfie() && !faults.is_empty()
    }

    /// The interrupt line of a context bank: in SMMUv1 the one that IRPTNDX names, which may be none.
    pub(crate) fn line_of(&self, bank: u8) -> Line {
        Line::Context(if self.geometry.is_version_1() {
            self.registers.cbar(bank).irptndx()
        } else {
            bank
        })
    }

    /// CBAR was written: in SMMUv1 the bank may ask on another line from here on.
    pub(crate) fn line_assigned(&mut self, host: &mut dyn Host) {
        if self.geometry.is_version_1() {
            for line in self.geometry.lines() {
                self.update_line(host, line, false);
            }
        }
    }

    /// Tells the environment about a line whose level changed, or that is high and `again` is set.
    pub(crate) fn update_line(&mut self, host: &mut dyn Host, line: Line, again: bool) {
        let level = self.level(line);
        let Some(last) = self.lines.get_mut(line) else {
            return;
        };
        if *last != level || (again && level) {
            *last = level;
            self.injector.line(host, line, level);
        }
    }

    /// Time has passed, or a mark was raised: interrupts that a rule holds back may arrive. One whose cause has gone
    /// meanwhile arrives all the same, as a message would, and its line is low then.
    pub fn elapse(&mut self, host: &mut dyn Host) {
        for line in self.injector.arrived(host) {
            self.injector.drive(host, line, true);
            if !self.level(line) {
                self.injector.drive(host, line, false);
            }
        }
    }

    /// Time at which the next interrupt that a rule holds back is due at the latest, as of [`Host::now`].
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.injector.next_due()
    }
}
