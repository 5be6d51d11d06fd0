// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use serde_json::json;

use super::*;

fn lanes(events: &Value) -> Option<Lanes> {
    Lanes::of(&serde_json::from_value(json!({ "displayTimeUnit": "ns", "traceEvents": events })).unwrap())
}

fn call(tid: u64, name: &str, ts: f64, dur: f64) -> Value {
    json!({ "ph": "X", "pid": 2, "tid": tid, "name": name, "cat": "probe", "ts": ts, "dur": dur, "args": {} })
}

/// Time begins with the first call after the first step, a call within another is drawn below it, and accesses outside
/// that time are left out.
#[test]
fn the_steps_of_a_boot_fill_the_picture() {
    let access = |ts: f64| json!({ "ph": "i", "pid": 1, "name": "W sCR0", "cat": "register", "ts": ts });
    let lanes = lanes(&json!([
        { "ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": { "name": "SMMU a" } },
        { "ph": "M", "pid": 2, "tid": 7, "name": "thread_name", "args": { "name": "insmod-7" } },
        { "ph": "i", "pid": 2, "tid": 9, "name": "begin", "cat": "step", "ts": 900.0 },
        call(7, "really_probe early", 10.0, 20.0),
        { "ph": "X", "pid": 2, "tid": 5, "name": "iommu_device_register b", "cat": "probe", "ts": 800.0, "dur": 9000.0,
          "args": { "unfinished": true } },
        call(7, "__iommu_probe_device d", 2000.0, 1000.0),
        call(7, "really_probe d", 1000.0, 4000.0),
        access(500.0),
        access(3000.0),
    ]))
    .unwrap();
    let names: Vec<&str> = lanes.lanes.iter().map(|lane| lane.name.as_str()).collect();
    assert_eq!(names, ["?", "insmod-7", "SMMU a"]);
    let [register, task, smmu] = &lanes.lanes[..] else {
        panic!()
    };
    // One that was not over has no say in what is shown, and fills it.
    assert_eq!(
        (register.boxes[0].x, register.boxes[0].width),
        (LEFT, RIGHT - LEFT)
    );
    let [outer, inner] = &task.boxes[..] else {
        panic!("{task:?}")
    };
    assert_eq!((outer.x, outer.x + outer.width), (LEFT, RIGHT));
    assert!(inner.y > outer.y && inner.x > outer.x);
    let [access] = &smmu.boxes[..] else {
        panic!("{smmu:?}")
    };
    assert!((access.x - (LEFT + RIGHT) / 2.0).abs() < 0.001);
    assert_eq!(
        lanes.words,
        [
            "?: -0.200 ms: iommu_device_register b, not over",
            "insmod-7: 0.000 ms: really_probe d, 4.000 ms",
            "insmod-7: 1.000 ms: __iommu_probe_device d, 1.000 ms"
        ]
    );
}

/// A million accesses make a picture for people.
#[test]
fn a_picture_is_bounded() {
    let mut events = vec![call(7, "really_probe d", 0.0, 1_000_000.0)];
    for number in 0..100_000_u32 {
        let at = f64::from(number) * 10.0;
        events.push(call(u64::from(number % 64), "device_add", at, 5.0));
    }
    let lanes = lanes(&json!(events)).unwrap();
    let boxes: usize = lanes.lanes.iter().map(|lane| lane.boxes.len()).sum();
    assert!(lanes.lanes.len() <= LANES_MAX && boxes <= BOXES_MAX, "{boxes}");
}

#[test]
fn a_timeline_without_a_guest_has_no_picture() {
    assert!(lanes(&json!([])).is_none());
}
