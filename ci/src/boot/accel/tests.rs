// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn kvm_needs_an_arm64_host_and_its_device() {
    let directory = tempfile::tempdir().unwrap();
    let device = directory.path().join("kvm");
    let problem = |host| look_for_kvm(host, &device).unwrap_err().to_string();
    assert_eq!(
        problem("x86_64"),
        "this host is x86_64, and KVM runs arm64 guests on arm64 hosts only"
    );
    assert!(problem("aarch64").contains("be a member of the group"));
    std::fs::write(&device, "").unwrap();
    assert!(look_for_kvm("aarch64", &device).is_ok());
}

#[test]
fn kvm_has_a_gicv3_unless_another_is_asked_for() {
    let mut board = Board::default();
    assert_eq!(
        (Accel::Tcg.gic(&board), Accel::Kvm.gic(&board)),
        (Gic::V2, Gic::V3)
    );
    board.cpus = 9;
    assert_eq!(
        (Accel::Tcg.gic(&board), Accel::Kvm.gic(&board)),
        (Gic::V3, Gic::V3)
    );
    board.gic = Some(Gic::V2);
    assert_eq!(
        (Accel::Tcg.gic(&board), Accel::Kvm.gic(&board)),
        (Gic::V2, Gic::V2)
    );
}
