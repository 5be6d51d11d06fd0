// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use object::{Architecture, Object, ObjectKind, ObjectSegment};

use super::*;
use crate::machine::board::Board;
use crate::machine::layout::tests::SHAPE;
use crate::machine::shim;

#[test]
fn it_is_a_program_for_arm64_with_the_rows_of_the_shim() {
    let board: Board = toml::from_str(crate::machine::board::tests::FULL).unwrap();
    let layout = Layout::new(&board, &[SHAPE; 2]).unwrap();
    let program = program(&layout).unwrap();
    let file = object::File::parse(&*program).unwrap();
    assert_eq!(
        (file.kind(), file.architecture(), file.entry()),
        (ObjectKind::Executable, Architecture::Aarch64, BASE + HEADERS)
    );
    let segments: Vec<_> = file.segments().collect();
    let [segment] = segments.as_slice() else {
        panic!("{} segments", segments.len());
    };
    assert_eq!((segment.address(), segment.size()), (BASE, program.len() as u64));
    // The shim's table is the end of both; before it both functions are waited for.
    let rows = rows::of(&layout);
    let table = 16 * (rows.len() + 1);
    let shim = shim::boot_shim(&layout).unwrap();
    assert_eq!(program[program.len() - table..], shim[shim.len() - table..]);
    let waits = &program[program.len() - table - 32..program.len() - table];
    for (wait, smmu) in waits.chunks(16).zip(&layout.smmus) {
        assert_eq!(wait[..8], (smmu.config_space() + 0x10).to_le_bytes());
        assert_eq!(wait[8..], [0, 0, 0, 0, 16, 0, 0, 0]);
    }
}
