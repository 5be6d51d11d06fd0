// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Two models that cannot be told apart, step by step.
//!
//! | input | models | rules |
//! | --- | --- | --- |
//! | bit 7 of the first byte is 0 | without a TLB and with one | none |
//! | 1, and bit 0 of the second byte is 0 | without a TLB and with one, equal plans | [`Allowed::OfAnyTlb`] |
//! | 1, 1 | equal TLBs; the first is spared the invalidations that the second loses | [`Allowed::OfEqualTlbs`] |
//!
//! A TLB that a rule made stale is compared again once its software has invalidated everything.

use core::fmt::Debug;

use smmu_emu::Plan;
use smmu_emu::injected::{Injected, Injection};
use smmu_emu::plan::InjectionKind;

use super::coverage;
use super::input::Input;
use super::machine::{Losses, MARK, Machine};
use super::rules::{self, Allowed, Names};

/// Longer than any delay of a rule, in nanoseconds.
const FOREVER: u64 = 100_000_000_000;

/// A machine with its tables, and the steps that its software and clients take.
pub trait World {
    /// Next step.
    type Step;
    /// All that a step shows.
    type Outcome: PartialEq + Debug;

    /// The machine, configured; `tlb` is a part of the configuration.
    fn new(tlb: &str) -> Self;
    /// The next step of an input.
    fn next(input: &mut Input<'_>) -> Option<Self::Step>;
    fn run(&mut self, step: &Self::Step) -> Self::Outcome;
    fn machine(&mut self) -> &mut Machine;
    /// Reads and clears every fault record.
    fn clear_faults(&mut self);
    /// Addresses and streams for rules.
    fn with_names<R>(&self, with: impl FnOnce(Names<'_>) -> R) -> R;
}

/// Runs one input; `small` is the entries of the smallest TLB.
pub fn run<W: World>(target: &'static str, data: &[u8], small: u32) {
    let mut input = Input(data);
    let Some(choice) = input.u8() else { return };
    let small = format!("tlb = \"normal\"\ntlb_entries = {small}");
    let tlb = match (choice & 0x7f) % 3 {
        0 => "tlb = \"normal\"",
        1 => "tlb = \"strict-stale\"",
        _ => &small,
    };
    let none = "tlb = \"off\"";
    if choice & 0x80 == 0 {
        let mut pair = Pair::<W>::new(none, tlb);
        while let Some(step) = W::next(&mut input) {
            pair.step(&step);
        }
        return;
    }
    let Some(mode) = input.u8() else { return };
    let allowed = if mode & 1 == 0 {
        Allowed::OfAnyTlb
    } else {
        Allowed::OfEqualTlbs
    };
    let mut pair = Pair::<W>::new(if mode & 1 == 0 { none } else { tlb }, tlb);
    let geometry = pair.subject.machine().smmu.lock().geometry().clone();
    let plan = pair
        .subject
        .with_names(|names| rules::plan(&mut input, &geometry, allowed, names));
    let Some(plan) = plan else { return };
    pair.inject(&plan, allowed);
    while let Some(kind) = input.u8() {
        match kind {
            0xf8..=0xff => pair.elapse(u64::from(kind & 7) << 14),
            0xf7 => pair.mark(),
            0xf6 => pair.recover(),
            _ => {
                let Some(step) = W::next(&mut input) else { break };
                pair.step(&step);
            }
        }
    }
    let compared = pair.compared;
    let hits = &pair.subject.machine().host.injected;
    coverage::count(target, hits);
    coverage::count_compared(target, allowed, compared, hits.len());
}

struct Pair<W> {
    oracle: W,
    subject: W,
    plans: Option<(Plan, Plan)>,
    /// Whether the subject's TLB may be stale, so that it need not do what the oracle does.
    stale: bool,
    /// Steps whose outcomes were compared.
    compared: usize,
}

impl<W: World> Pair<W> {
    fn new(oracle: &str, subject: &str) -> Self {
        Self {
            oracle: W::new(oracle),
            subject: W::new(subject),
            plans: None,
            stale: false,
            compared: 0,
        }
    }

    fn inject(&mut self, plan: &Plan, allowed: Allowed) {
        let mut other = plan.clone();
        for rule in &mut other.injections {
            let of_tlb = matches!(
                rule.kind,
                InjectionKind::StaleTlb | InjectionKind::LostInvalidation
            );
            // A rule that hits nothing keeps the place of one that the oracle cannot have: chance follows from it.
            if rule.kind == InjectionKind::StaleTlb || of_tlb && allowed == Allowed::OfEqualTlbs {
                *rule = toml::from_str("kind = \"lost-invalidation\"\nprobability = 0").expect("a rule");
            }
        }
        if allowed == Allowed::OfEqualTlbs {
            self.subject.machine().losses = Losses::Noted(Default::default());
            self.oracle.machine().losses = Losses::Followed(Default::default());
        }
        self.oracle.machine().set_plan(other.clone());
        self.subject.machine().set_plan(plan.clone());
        self.plans = Some((other, plan.clone()));
    }

    fn both(&mut self) -> [&mut Machine; 2] {
        [self.oracle.machine(), self.subject.machine()]
    }

    fn elapse(&mut self, time: u64) {
        for machine in self.both() {
            machine.elapse(time);
        }
        self.compare_lines();
    }

    fn mark(&mut self) {
        for machine in self.both() {
            machine.host.marks.insert(MARK.into());
            machine.elapse(0);
        }
    }

    /// Software starts again without rules: faults and TLBs are cleared, and nothing is on its way. Then the rules
    /// begin anew.
    fn recover(&mut self) {
        for world in [&mut self.oracle, &mut self.subject] {
            let losses = std::mem::take(&mut world.machine().losses);
            world.machine().set_plan(Plan::default());
            world.machine().elapse(FOREVER);
            world.machine().w("TLBIALLNSNH", 0);
            world.clear_faults();
            world.machine().losses = losses;
        }
        if let Some((oracle, subject)) = self.plans.clone() {
            self.oracle.machine().set_plan(oracle);
            self.subject.machine().set_plan(subject);
        }
        self.stale = false;
    }

    fn step(&mut self, step: &W::Step) {
        let [before_oracle, before] = self.both().map(|machine| machine.host.injected.len());
        let found = self.subject.run(step);
        let lost = match &mut self.subject.machine().losses {
            Losses::Noted(lost) => Some(std::mem::take(lost)),
            _ => None,
        };
        let spared = lost.is_some();
        if let Some(lost) = lost {
            self.oracle.machine().losses = Losses::Followed(lost);
        }
        let expected = self.oracle.run(step);
        let hits = hits_since(&self.subject.machine().host.injected, before);
        self.stale |= !spared && hits.iter().any(makes_stale);
        if self.stale {
            return;
        }
        assert_eq!(expected, found);
        // With and without a TLB there are other reads of descriptors; only one of two models loses an invalidation.
        let comparable = |hit: &&Injected| match hit.what {
            Injection::Error(InjectionKind::WalkAbort | InjectionKind::WalkCorrupt) => spared,
            Injection::Error(InjectionKind::LostInvalidation) => !spared,
            _ => true,
        };
        let expected_hits = hits_since(&self.oracle.machine().host.injected, before_oracle);
        assert!(
            expected_hits
                .iter()
                .filter(comparable)
                .eq(hits.iter().filter(comparable))
        );
        self.compare_lines();
        self.compared += 1;
    }

    fn compare_lines(&mut self) {
        if !self.stale {
            let [oracle, subject] = self.both();
            // A line that was never high is as low as one that was, while the two were not to be compared.
            assert_eq!(oracle.host.high(), subject.host.high());
        }
    }
}

fn hits_since(hits: &[Injected], before: usize) -> Vec<Injected> {
    hits.get(before..).unwrap_or_default().to_vec()
}

/// Whether a hit may have left something in a TLB that software invalidated.
fn makes_stale(hit: &Injected) -> bool {
    match hit.what {
        Injection::Error(InjectionKind::StaleTlb | InjectionKind::LostInvalidation) => true,
        Injection::Error(InjectionKind::RegisterOnes) => {
            hit.at.register.is_some_and(|name| name.contains("TLBI"))
        }
        _ => false,
    }
}
