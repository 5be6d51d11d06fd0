// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use smmu_emu::events::{End, Event, NoMemory, Outcome, Translated};
use smmu_emu::fault::{Cause, ContextCause, GlobalCause};
use smmu_emu::{Intent, Origin, Transaction};

use super::{NoMemoryLimit, RefusedAccess};

const WRITE: Transaction = Transaction {
    stream_id: 5,
    address: 0xffff_f000,
    intent: Intent {
        privileged: false,
        write: true,
        instruction: false,
    },
};

fn answered(origin: Origin, outcome: Outcome) -> Event {
    Event::Translation(Translated::new(origin, WRITE, outcome))
}

fn refused(cause: Cause) -> Outcome {
    Outcome::Refused {
        cause,
        end: End::Abort,
    }
}

#[test]
fn a_refused_access_is_told_with_stream_address_and_cause() {
    let told = |cause| {
        RefusedAccess::of(&answered(Origin::Client, refused(cause)))
            .unwrap()
            .to_string()
    };
    assert_eq!(
        told(Cause::Global(GlobalCause::UnidentifiedStream)),
        "the SMMU refused a write of stream 0x5 at 0xfffff000: UnidentifiedStream"
    );
    assert_eq!(
        told(Cause::Context {
            cause: ContextCause::Translation,
            level: 3
        }),
        "the SMMU refused a write of stream 0x5 at 0xfffff000: Translation fault at level 3"
    );
    assert_eq!(
        told(Cause::Blocked),
        "the SMMU refused a write of stream 0x5 at 0xfffff000: its context bank holds an earlier fault"
    );
}

#[test]
fn what_passes_and_what_is_no_access_of_a_client_is_not_refused() {
    let cause = Cause::Global(GlobalCause::UnidentifiedStream);
    for event in [
        answered(Origin::Client, Outcome::Translated { address: 0 }),
        answered(Origin::Operation, refused(cause)),
        Event::Reset,
    ] {
        assert_eq!(RefusedAccess::of(&event), None, "{event:?}");
    }
}

#[test]
fn an_access_without_memory_is_an_event_with_both_addresses() {
    let met = NoMemory::new(WRITE, 0x9000);
    let limit = NoMemoryLimit::default();
    let event = limit.event(0, "a", &met).unwrap().to_json();
    assert_eq!(event["event"], "NO_MEMORY");
    let data = &event["data"];
    assert_eq!(
        (&data["smmu"], &data["access"], &data["suppressed"]),
        (&"a".into(), &"write".into(), &0.into())
    );
    assert_eq!(
        (&data["stream"], &data["address"], &data["to"]),
        (&5.into(), &0xffff_f000_u64.into(), &0x9000.into())
    );
    // A storm is bounded within a second of the run, and counted.
    let sent = (0..1000).filter(|_| limit.event(0, "a", &met).is_some()).count();
    assert!(sent < 1000);
    let next = limit.event(1_000_000_000, "a", &met).unwrap().to_json();
    assert_eq!(next["data"]["suppressed"], 1000 - sent);
}
