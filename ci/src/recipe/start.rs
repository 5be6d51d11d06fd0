// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Start of a boot: from power-on, or from a snapshot that was taken before the first step.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use smmu_emu::DelayRule;
use smmu_emu::plan::Site;
use vfio_server::config::Interrupts;

use crate::recipe::{Action, FindingKind, Recipe};

#[cfg(test)]
mod tests;

/// Start of a boot.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// From the boot shim on.
    #[default]
    Cold,
    /// From a snapshot of the guest just before its first step.
    Warm,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        })
    }
}

impl Recipe {
    /// Reason why a boot of the recipe cannot start from a snapshot, if it cannot.
    pub fn needs_cold_start(&self) -> Option<String> {
        let clocked = self.smmus.iter().find(|smmu| smmu.clock.is_some());
        if let Some(smmu) = clocked {
            // The probe that fails while the snapshot is made leaves the clock's count up.
            return Some(format!(
                "SMMU {} has a clock controller, and Linux would take its clock for one that is on",
                smmu.name
            ));
        }
        let reboots = |action: &Action| matches!(action, Action::Reboot { .. });
        let again = [FindingKind::Reset, FindingKind::Kexec, FindingKind::CrashKernel];
        if self.steps.iter().any(|step| reboots(&step.action))
            || again.into_iter().any(|kind| self.expect.wants(kind))
        {
            return Some("its guest boots a second time, which would wait for a snapshot again".to_owned());
        }
        None
    }

    /// Reason why boots of the recipe cannot be deterministic, if they cannot: something in them takes the host's time.
    pub fn needs_host_time(&self) -> Option<String> {
        self.smmus.iter().find_map(|smmu| {
            let of_smmu = |reason: &str| format!("SMMU {}: {reason}", smmu.name);
            smmu.masters
                .first()
                .map(|master| {
                    format!(
                        "master {} works in a thread of the server: its interrupts reach the guest at an instruction \
                         that the host chooses",
                        master.name
                    )
                })
                .or_else(|| smmu.delays.iter().find_map(delay_in_host_time).map(of_smmu))
                .or_else(|| {
                    let settles = smmu.clock.is_some_and(|clock| clock.settle_us > 0 || clock.lock_us > 0);
                    settles.then(|| of_smmu("its clock settles in the host's time (`settle_us`, `lock_us`)"))
                })
                .or_else(|| {
                    let repeats = smmu.interrupts == Interrupts::Level;
                    repeats.then(|| of_smmu("its interrupts are raised again in the host's time (`interrupts`)"))
                })
        })
    }
}

/// Reason why a delay takes the host's time, if it does.
fn delay_in_host_time(rule: &DelayRule) -> Option<&'static str> {
    match rule.site {
        _ if rule.time_us.is_some() => {
            Some("a delay has `time_us`, time of the host's; `polls` and `until` take the guest's")
        }
        Site::Interrupt => Some("a delay of an interrupt ends at an instruction that the host chooses"),
        Site::Register => {
            Some("a reply that waits for a mark stops the one thread of all CPUs, which has to raise it")
        }
        _ => None,
    }
}
