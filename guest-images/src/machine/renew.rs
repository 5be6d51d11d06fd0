// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The program that sets the board up again in a guest that runs: a guest that goes on from a snapshot finds the SMMUs'
//! PCI functions as they are at power-on, because QEMU saves nothing of a vfio-user device.
//!
//! It waits until that is so, and then does the shim's work through `/dev/mem`. It is a static program of its own: with
//! a process for each access a shell would take seconds.

use dynasmrt::{DynasmApi, DynasmError, DynasmLabelApi, VecAssembler, aarch64::Aarch64Relocation, dynasm};
use object::LittleEndian;
use object::elf::{
    ELFCLASS64, ELFDATA2LSB, ELFMAG, ELFOSABI_NONE, EM_AARCH64, ET_EXEC, EV_CURRENT, FileHeader64, Ident,
    PF_R, PF_X, PT_LOAD, ProgramHeader64,
};
use object::endian::{U16, U32, U64};

use crate::machine::board::BoardError;
use crate::machine::layout::Layout;
use crate::machine::rows::{self, Action, BAR0, Row};

#[cfg(test)]
mod tests;

/// Address of the program in its own memory.
const BASE: u64 = 0x40_0000;
/// Bytes before the code.
const HEADERS: u64 =
    (size_of::<FileHeader64<LittleEndian>>() + size_of::<ProgramHeader64<LittleEndian>>()) as u64;

/// The program for a board, as an ELF file for arm64 Linux. It ends with status 0 when the board is set up, and with 1
/// if `/dev/mem` cannot be used.
///
/// # Errors
///
/// Only if the assembler fails, which no board can cause.
pub fn program(layout: &Layout) -> Result<Vec<u8>, BoardError> {
    let fresh = layout.smmus.iter().map(|smmu| Row {
        address: smmu.config_space() + BAR0,
        value: 0,
        action: Action::Await,
    });
    let rows: Vec<Row> = fresh.chain(rows::of(layout)).collect();
    let code = assemble(&rows).map_err(|e| BoardError::new("board program", e.to_string()))?;
    Ok(executable(&code))
}

/// An executable of one segment that is neither writable nor linked to anything.
fn executable(code: &[u8]) -> Vec<u8> {
    let e = LittleEndian;
    let half = |value: usize| U16::new(e, u16::try_from(value).unwrap_or(u16::MAX));
    let headers = usize::try_from(HEADERS).unwrap_or(usize::MAX);
    let size = U64::new(e, headers.saturating_add(code.len()) as u64);
    let file = FileHeader64 {
        e_ident: Ident {
            magic: ELFMAG,
            class: ELFCLASS64,
            data: ELFDATA2LSB,
            version: EV_CURRENT,
            os_abi: ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(e, ET_EXEC),
        e_machine: U16::new(e, EM_AARCH64),
        e_version: U32::new(e, EV_CURRENT.0.into()),
        e_entry: U64::new(e, BASE + HEADERS),
        e_phoff: U64::new(e, size_of::<FileHeader64<LittleEndian>>() as u64),
        e_shoff: U64::new(e, 0),
        e_flags: U32::default(),
        e_ehsize: half(size_of::<FileHeader64<LittleEndian>>()),
        e_phentsize: half(size_of::<ProgramHeader64<LittleEndian>>()),
        e_phnum: half(1),
        e_shentsize: half(0),
        e_shnum: half(0),
        e_shstrndx: U16::default(),
    };
    let segment = ProgramHeader64 {
        p_type: U32::new(e, PT_LOAD),
        p_flags: U32::new(e, PF_R | PF_X),
        p_offset: U64::new(e, 0),
        p_vaddr: U64::new(e, BASE),
        p_paddr: U64::new(e, BASE),
        p_filesz: size,
        p_memsz: size,
        p_align: U64::new(e, 0x1_0000),
    };
    let mut program = object::pod::bytes_of(&file).to_vec();
    program.extend_from_slice(object::pod::bytes_of(&segment));
    program.extend_from_slice(code);
    program
}

/// System calls are those of `include/uapi/asm-generic/unistd.h`: the number in x8, arguments from x0 on, the result in
/// x0, an error from -4095 on.
fn assemble(rows: &[Row]) -> Result<Vec<u8>, DynasmError> {
    let mut code = VecAssembler::<Aarch64Relocation>::new(0);
    dynasm!(code
        ; .arch aarch64
        // openat(AT_FDCWD, "/dev/mem", O_RDWR | O_SYNC): device memory, not cached.
        ; movn x0, #99
        ; adr x1, >path
        ; movz x2, #0x1002
        ; movk x2, #0x10, lsl #16
        ; movz x8, #56
        ; svc #0
        ; tbnz x0, #63, >failed
        ; mov x19, x0
        ; adr x20, >table
        // Address of the window that is mapped.
        ; movn x25, #0

        ; next:
        ; ldr x21, [x20]
        ; ldp w22, w23, [x20, #8]
        ; add x20, x20, #16
        ; cbz w23, >done
        ; and x5, x21, #0xffff_ffff_ffff_0000
        ; cmp x5, x25
        ; b.eq >mapped
        ; mov x25, x5
        // mmap(NULL, 64 KiB, PROT_READ | PROT_WRITE, MAP_SHARED, /dev/mem, x5): a page, whatever the kernel's are.
        ; movz x0, #0
        ; movz x1, #1, lsl #16
        ; movz x2, #3
        ; movz x3, #1
        ; mov x4, x19
        ; movz x8, #222
        ; svc #0
        ; cmn x0, #4095
        ; b.hs >failed
        ; mov x24, x0

        ; mapped:
        ; and x2, x21, #0xffff
        ; add x2, x24, x2
        ; mov w3, w22
        ; mov w4, w23
        ; cmp w4, #16
        ; b.eq >await_value
    );
    rows::emit_actions(&mut code);
    dynasm!(code
        ; .arch aarch64
        ; await_value:
        ; ldr w5, [x2]
        ; cmp w5, w3
        ; b.eq <next
        // nanosleep(1 ms, NULL)
        ; adr x0, >millisecond
        ; movz x1, #0
        ; movz x8, #101
        ; svc #0
        ; b <await_value

        ; failed:
        ; movz x0, #1
        ; b >end
        ; done:
        ; movz x0, #0
        // exit(x0)
        ; end:
        ; movz x8, #93
        ; svc #0
        ; b <end

        ; .align 8
        ; millisecond:
        ; .u64 0
        ; .u64 1_000_000
        ; path:
        ; .bytes b"/dev/mem\0"
    );
    rows::finish(code, rows)
}
