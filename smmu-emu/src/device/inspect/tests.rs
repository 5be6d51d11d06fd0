// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::Config;
use crate::plan::{DelayRule, Family, Plan};
use crate::testing::Host;

fn model(config: &Config) -> Smmu {
    Smmu::new(config, Plan::default()).unwrap()
}

/// A rule for the global sync.
fn polls(polls: u32) -> DelayRule {
    toml::from_str(&format!("site = \"global-sync\"\npolls = {polls}")).unwrap()
}

#[test]
fn every_register_is_where_a_read_finds_it() {
    let mut smmu = model(&Config::default());
    let frames = [Frame::Gr0, Frame::Gr1, Frame::Context(0), Frame::Context(15)];
    for frame in frames {
        let registers: Vec<_> = smmu.registers_of(frame).collect();
        assert!(registers.len() > 20, "{frame:?}");
        for register in registers {
            let mut data = [0; 8];
            let width = usize::try_from(register.row.width).unwrap();
            let peeked = smmu.peek(&Host::new(), &register);
            smmu.read(&mut Host::new(), register.offset, &mut data[..width]);
            assert_eq!(peeked, u64::from_le_bytes(data), "{register:?}");
            let found = smmu.register(register.row.name, register.index).unwrap();
            assert_eq!(found.offset, register.offset, "{register:?}");
        }
    }
    assert_eq!(smmu.registers_of(Frame::Context(16)).count(), 0);
    assert!(smmu.register("CBn_FSR", 16).is_none());
    assert!(smmu.register("sCR0", 1).is_none());
}

#[test]
fn fields_have_names_and_values() {
    let mut smmu = model(&Config::default());
    let has = |fields: &[(String, String)], name: &str, value: &str| {
        assert!(
            fields.iter().any(|(n, v)| n == name && v == value),
            "{name} = {value} is not in {fields:?}"
        );
    };
    let scr0 = smmu.register("sCR0", 0).unwrap();
    let fields = smmu.fields(&scr0, smmu.peek(&Host::new(), &scr0));
    has(&fields, "clientpd", "true");
    let smr = smmu.register("SMRn", 2).unwrap();
    smmu.write(&mut Host::new(), smr.offset, &0x8001_0002_u32.to_le_bytes());
    let fields = smmu.fields(&smr, smmu.peek(&Host::new(), &smr));
    has(&fields, "valid", "true");
    has(&fields, "id", "2");
    let cbar = smmu.register("CBARn", 1).unwrap();
    has(&smmu.fields(&cbar, 1 << 16), "kind", "Stage1");
    let fsr = smmu.register("CBn_FSR", 0).unwrap();
    let fields = smmu.fields(&fsr, 2);
    has(&fields, "TF", "true");
    has(&fields, "PF", "false");
}

#[test]
fn looking_counts_no_poll() {
    let mut smmu = model(&Config::default());
    let number = smmu.add_delay(polls(1)).unwrap();
    let sync = smmu.register("sTLBGSYNC", 0).unwrap();
    let status = smmu.register("sTLBGSTATUS", 0).unwrap();
    smmu.write(&mut Host::new(), sync.offset, &[0; 4]);
    for _ in 0..3 {
        assert_eq!(smmu.peek(&Host::new(), &status), 1);
    }
    let mut data = [0; 4];
    smmu.read(&mut Host::new(), status.offset, &mut data);
    assert_eq!(data, [1, 0, 0, 0]);
    assert_eq!(smmu.peek(&Host::new(), &status), 0);
    let delay = smmu.delays().next().unwrap();
    assert_eq!((delay.number, delay.operations, delay.hits), (number, 1, 1));
}

#[test]
fn rules_come_and_go() {
    let mut smmu = model(&Config::default());
    let first = smmu.add_delay(polls(1)).unwrap();
    let second = smmu.add_delay(polls(2)).unwrap();
    assert!(smmu.remove_rule(Family::Delay, first));
    assert!(!smmu.remove_rule(Family::Delay, first));
    let plan = Plan {
        delays: vec![polls(3), polls(0)],
        ..Plan::default()
    };
    assert_eq!(smmu.replace_plan(plan).unwrap_err().rule, 2);
    assert_eq!(
        smmu.delays().map(|delay| delay.number).collect::<Vec<_>>(),
        [second]
    );
    smmu.replace_plan(Plan::of_delay(polls(3))).unwrap();
    let delay = smmu.delays().next().unwrap();
    assert!(delay.number > second, "numbers are not used again");
    assert_eq!(delay.rule.polls, Some(3));
}
