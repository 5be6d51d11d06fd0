// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Accesses of stock kernels to the SMMU, replayed against the model without a guest.
//!
//! `data/linux-*.ndjson` were recorded from real boots of the recipe `few-smrs` with `boot-stress reproduce --recipe
//! few-smrs --kernel … --trace FILE`: probe, reset, attach of a client with eight stream IDs, its detach, attach of a
//! second client, shutdown. Every read of the driver has to return what it returned then.

use boot_stress::recipe::shipped;
use smmu_emu::testing::Host;
use smmu_emu::{AccessKind, Config, Fault, Intent, Plan, Smmu, State, Transaction};
use vfio_server::trace;
use vfio_server::trace::line::Register;

const TRACES: [(&str, &str); 2] = [
    ("6.16.3", include_str!("../data/linux-6.16.3.ndjson")),
    ("7.3.4", include_str!("../data/linux-7.3.4.ndjson")),
];

/// The model of the boots from which the traces come.
fn model() -> Config {
    let recipe = shipped("few-smrs")
        .expect("a shipped recipe")
        .recipe()
        .expect("a valid recipe");
    recipe.smmus.first().expect("an SMMU").model.clone()
}

/// An access of the driver.
type Recorded = (AccessKind, Register);

/// Makes an access of the driver, whose host has no memory. Interrupt lines have to stay low.
fn replay(smmu: &mut Smmu, (kind, line): &Recorded) {
    let mut host = Host::new();
    let width = usize::from(line.width);
    let mut data = line.value.to_le_bytes();
    match kind {
        AccessKind::Write => {
            smmu.write(&mut host, line.offset, &data[..width]);
        }
        AccessKind::Read => {
            data = [0; 8];
            smmu.read(&mut host, line.offset, &mut data[..width]);
            assert_eq!(
                u64::from_le_bytes(data),
                line.value,
                "{} at {:#x}",
                line.register,
                line.offset
            );
        }
    }
    let rose = host.line_calls.iter().find(|(_, level)| *level);
    assert_eq!(rose, None, "the driver did nothing wrong");
}

fn route(smmu: &Smmu, stream_id: u16) -> Result<Option<u8>, Fault> {
    let transaction = Transaction {
        stream_id,
        address: 0x1000,
        intent: Intent::default(),
    };
    smmu.translate(&Host::new(), &transaction)
        .map(|translation| translation.bank)
}

/// The context bank that a stream reaches; without memory its walk ends in an external abort.
fn bank(smmu: &Smmu, stream_id: u16) -> Option<u8> {
    match route(smmu, stream_id) {
        Err(Fault::Context(fault)) => Some(fault.bank),
        _ => None,
    }
}

fn each(check: impl Fn(Vec<Recorded>)) {
    for (kernel, text) in TRACES {
        let lines = trace::parse(text).unwrap_or_else(|e| panic!("{kernel}: {e}"));
        let accesses = lines.iter().filter_map(|line| line.access());
        check(
            accesses
                .map(|(kind, register)| (kind, register.clone()))
                .collect(),
        );
    }
}

#[test]
fn every_read_returns_what_the_driver_saw() {
    each(|lines| {
        let mut smmu = Smmu::new(&model(), Plan::default()).expect("a valid model");
        lines.iter().for_each(|line| replay(&mut smmu, line));
    });
}

/// Saved and restored again and again, another SMMU each time, the model goes on as the driver saw it.
#[test]
fn a_restored_state_goes_on_as_the_driver_saw_it() {
    each(|lines| {
        let mut random = fastrand::Rng::with_seed(7);
        let new = || Smmu::new(&model(), Plan::default()).expect("a valid model");
        let (mut original, mut smmu) = (new(), new());
        let mut restored = 0;
        for line in &lines {
            replay(&mut original, line);
            replay(&mut smmu, line);
            if random.u8(..) >= 64 {
                continue;
            }
            let text = serde_json::to_string(&smmu.save(&Host::new())).expect("a state is plain data");
            let state: State = serde_json::from_str(&text).expect("what was written");
            smmu = new();
            smmu.restore(&mut Host::new(), &state).expect("it fits");
            assert_eq!(smmu.save(&Host::new()), original.save(&Host::new()));
            restored += 1;
        }
        assert!(restored > 20, "{restored} of {}", lines.len());
    });
}

#[test]
fn the_driver_goes_through_probe_attach_detach_and_shutdown() {
    each(|lines| {
        let at = |register: &str, value: Option<u64>| {
            let hit = |(kind, line): &&Recorded| {
                line.register == register
                    && *kind == AccessKind::Write
                    && value.is_none_or(|value| line.value == value)
            };
            lines
                .iter()
                .position(|line| hit(&line))
                .unwrap_or_else(|| panic!("no write of {register}"))
        };
        let sequence = [
            at("TLBIALLNSNH", None),       // arm_smmu_device_reset()
            at("sTLBGSYNC", None),         // arm_smmu_tlb_sync_global()
            at("CBA2Rn", None),            // arm_smmu_write_context_bank()
            at("CBn_SCTLR", Some(0x1067)), // stage 1 on
            at("CBn_TLBIASID", None),      // arm_smmu_destroy_domain_context()
            at("CBn_TLBSYNC", None),       // arm_smmu_tlb_sync_context()
            at("sCR0", Some(1)),           // arm_smmu_device_shutdown()
        ];
        assert!(sequence.is_sorted(), "{sequence:?}");
        assert_eq!(
            lines[0].1.register, "IDR0",
            "arm_smmu_device_cfg_probe() comes first"
        );
    });
}

#[test]
fn streams_go_where_the_driver_sent_them() {
    each(|lines| {
        let mut smmu = Smmu::new(&model(), Plan::default()).expect("a valid model");
        assert_eq!(route(&smmu, 1), Ok(None), "CLIENTPD is set at reset: bypass");

        let mut seen = Vec::new();
        for line in &lines {
            replay(&mut smmu, line);
            let streams = [bank(&smmu, 1), bank(&smmu, 0x10)];
            if seen.last() != Some(&streams) {
                seen.push(streams);
            }
        }
        // No client; the first client (stream 16); none; the second client (stream 1); none again.
        let expected = [
            [None, None],
            [None, Some(0)],
            [None, None],
            [Some(0), None],
            [None, None],
        ];
        assert_eq!(seen, expected);
        assert_eq!(route(&smmu, 1), Ok(None), "the shutdown has set CLIENTPD: bypass");
    });
}
