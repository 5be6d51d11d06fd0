// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;

const CTRL: u64 = 4;
const STATUS: u64 = 8;

fn read(clock: &ClockController, now: u64, offset: u64) -> u32 {
    let mut word = [0; 4];
    clock.read(now, offset, &mut word);
    u32::from_le_bytes(word)
}

fn write(clock: &mut ClockController, now: u64, offset: u64, value: u32) {
    assert!(
        !clock.write(now, offset, &value.to_le_bytes()),
        "it keeps its registers"
    );
}

fn controller(on: bool) -> ClockController {
    ClockController::new(ClockConfig {
        on,
        settle_us: 200,
        lock_us: 50,
        ..ClockConfig::default()
    })
}

#[test]
fn the_pll_locks_and_then_the_clock_settles() {
    let mut clock = controller(false);
    assert_eq!(read(&clock, 0, 0), 0x314b_4c43);
    assert_eq!(read(&clock, 1_000_000, STATUS), 0);
    // Both at once: settling begins when the PLL has locked.
    write(&mut clock, 1_000_000, CTRL, 3);
    for (now, status) in [(1_049_999, 0), (1_050_000, 2), (1_249_999, 2), (1_250_000, 3)] {
        assert_eq!(read(&clock, now, STATUS), status, "{now}");
    }
    // A gate that opens later settles from then on; one that is open stays so.
    write(&mut clock, 2_000_000, CTRL, 2);
    assert_eq!(read(&clock, 2_000_000, STATUS), 2);
    write(&mut clock, 3_000_000, CTRL, 3);
    write(&mut clock, 3_100_000, CTRL, 3);
    assert_eq!(read(&clock, 3_199_999, STATUS), 2);
    assert_eq!(read(&clock, 3_200_000, STATUS), 3);
    // Without the PLL there is no clock.
    write(&mut clock, 4_000_000, CTRL, 1);
    assert_eq!(read(&clock, 9_000_000, STATUS), 0);
}

#[test]
fn times_can_be_set() {
    let mut clock = controller(false);
    write(&mut clock, 0, 0x0c, 7);
    write(&mut clock, 0, 0x10, u32::MAX);
    assert_eq!((read(&clock, 0, 0x0c), read(&clock, 0, 0x10)), (7, MAX_US));
    write(&mut clock, 0, 0x10, 0);
    write(&mut clock, 5, CTRL, 3);
    assert_eq!(read(&clock, 7004, STATUS), 2);
    assert_eq!(read(&clock, 7005, STATUS), 3);
}

#[test]
fn on_at_power_on_is_on_at_once() {
    let mut clock = controller(true);
    assert_eq!(read(&clock, 0, STATUS), 3);
    assert_eq!(clock.admit(0), (true, false));
    write(&mut clock, 10, CTRL, 0);
    assert_eq!(clock.admit(11), (false, true));
    clock.reset();
    assert_eq!((read(&clock, 11, STATUS), clock.violations()), (3, 0));
    // The client that comes next has none; the server's has had one.
    assert_eq!(clock.all_violations(), 1);
}

#[test]
fn violations_count_and_are_told_ever_less_often() {
    let mut clock = controller(false);
    let told = (0..100).filter(|_| clock.admit(5).1).count();
    assert_eq!((told, read(&clock, 5, 0x14)), (7, 100));
}

proptest! {
    #[test]
    fn any_accesses_leave_it_in_order(
        accesses in prop::collection::vec((0..0xc0_u64, any::<u32>(), 0..9_usize, any::<u32>()), 0..50),
    ) {
        let (mut clock, mut now) = (controller(false), 0_u64);
        for (offset, value, width, step) in accesses {
            now += u64::from(step);
            let data = u64::from(value).to_le_bytes();
            let _ = clock.write(now, offset, &data[..width]);
            let mut data = [0xaa; 8];
            clock.read(now, offset, &mut data[..width]);
            prop_assert!(width == 4 || data[..width].iter().all(|byte| *byte == 0));
            let (status, control) = (clock.status(now), clock.control());
            prop_assert!(!status.contains(Status::ON) || control == Control::all());
            prop_assert!(!status.contains(Status::ON) || status.contains(Status::LOCKED));
        }
    }
}
