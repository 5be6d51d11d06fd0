// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An assembler for the few A32 instructions of the AArch32 guest, encoded as DDI 0406C chapter A8 has them. All are
//! executed always.

/// Condition “always” in the upper bits.
const AL: u32 = 0xe000_0000;

/// A general-purpose register.
#[derive(Clone, Copy, Debug)]
pub struct R(pub u32);

/// A 32-bit register of CP15: opc1, CRn, CRm, opc2.
#[derive(Clone, Copy, Debug)]
pub struct Cp15(pub u32, pub u32, pub u32, pub u32);

/// A 64-bit register of CP15: opc1, CRm.
#[derive(Clone, Copy, Debug)]
pub struct Cp15Pair(pub u32, pub u32);

/// A place in the code.
#[derive(Clone, Copy, Debug)]
pub struct Label(usize);

/// A condition.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Condition {
    /// Equal.
    Equal = 0,
    /// Not equal.
    NotEqual = 1,
    /// Lower, unsigned.
    Lower = 3,
    /// Always.
    Always = 14,
}

/// Code under construction.
#[derive(Debug, Default)]
pub struct Code {
    words: Vec<u32>,
    labels: Vec<Option<usize>>,
    branches: Vec<(usize, Label)>,
}

impl Code {
    /// A label to be placed later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Places a label here.
    pub fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.words.len());
    }

    /// Appends an instruction as a word.
    pub fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    /// Number of instructions so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// No instruction yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// `B<c> label` (A8.8.18).
    pub fn branch(&mut self, condition: Condition, to: Label) {
        self.branches.push((self.words.len(), to));
        self.word((condition as u32) << 28 | 0x0a00_0000);
    }

    /// `MOVW` and `MOVT` (A8.8.102, A8.8.106).
    pub fn load(&mut self, rd: R, value: u32) {
        let half = |value: u32| (value >> 12 & 0xf) << 16 | rd.0 << 12 | value & 0xfff;
        self.word(AL | 0x0300_0000 | half(value & 0xffff));
        self.word(AL | 0x0340_0000 | half(value >> 16));
    }

    /// `ADD rd, rn, #immediate`, of at most eight bits (A8.8.5).
    pub fn add_immediate(&mut self, rd: R, rn: R, immediate: u32) {
        assert!(immediate < 256);
        self.word(AL | 0x0280_0000 | rn.0 << 16 | rd.0 << 12 | immediate);
    }

    /// `SUBS rd, rn, #immediate` (A8.8.223).
    pub fn subs_immediate(&mut self, rd: R, rn: R, immediate: u32) {
        assert!(immediate < 256);
        self.word(AL | 0x0250_0000 | rn.0 << 16 | rd.0 << 12 | immediate);
    }

    /// `ADD rd, rn, rm, LSL #shift` (A8.8.7).
    pub fn add(&mut self, rd: R, rn: R, rm: R, shift: u32) {
        self.word(AL | 0x0080_0000 | rn.0 << 16 | rd.0 << 12 | shift << 7 | rm.0);
    }

    /// `MOV rd, rm` (A8.8.104).
    pub fn mov(&mut self, rd: R, rm: R) {
        self.word(AL | 0x01a0_0000 | rd.0 << 12 | rm.0);
    }

    /// `CMP rn, rm` (A8.8.38).
    pub fn cmp(&mut self, rn: R, rm: R) {
        self.word(AL | 0x0150_0000 | rn.0 << 16 | rm.0);
    }

    /// `LDR rt, [rn, #offset]` (A8.8.63).
    pub fn ldr(&mut self, rt: R, rn: R, offset: u32) {
        assert!(offset < 4096);
        self.word(AL | 0x0590_0000 | rn.0 << 16 | rt.0 << 12 | offset);
    }

    /// `STR rt, [rn, #offset]` (A8.8.204).
    pub fn str(&mut self, rt: R, rn: R, offset: u32) {
        assert!(offset < 4096);
        self.word(AL | 0x0580_0000 | rn.0 << 16 | rt.0 << 12 | offset);
    }

    /// `MCR p15` (A8.8.98).
    pub fn mcr(&mut self, Cp15(opc1, crn, crm, opc2): Cp15, rt: R) {
        self.word(AL | 0x0e00_0f10 | opc1 << 21 | crn << 16 | rt.0 << 12 | opc2 << 5 | crm);
    }

    /// `MRC p15` (A8.8.107).
    pub fn mrc(&mut self, Cp15(opc1, crn, crm, opc2): Cp15, rt: R) {
        self.word(AL | 0x0e10_0f10 | opc1 << 21 | crn << 16 | rt.0 << 12 | opc2 << 5 | crm);
    }

    /// `MCRR p15` (A8.8.99).
    pub fn mcrr(&mut self, Cp15Pair(opc1, crm): Cp15Pair, low: R, high: R) {
        self.word(AL | 0x0c40_0f00 | high.0 << 16 | low.0 << 12 | opc1 << 4 | crm);
    }

    /// `MRRC p15` (A8.8.108).
    pub fn mrrc(&mut self, Cp15Pair(opc1, crm): Cp15Pair, low: R, high: R) {
        self.word(AL | 0x0c50_0f00 | high.0 << 16 | low.0 << 12 | opc1 << 4 | crm);
    }

    /// `MRS rd, ELR_hyp` (B9.3.9).
    pub fn mrs_elr_hyp(&mut self, rd: R) {
        self.word(AL | 0x010e_0300 | rd.0 << 12);
    }

    /// `MSR ELR_hyp, rn` (B9.3.10).
    pub fn msr_elr_hyp(&mut self, rn: R) {
        self.word(AL | 0x012e_f300 | rn.0);
    }

    /// `ERET` (B9.3.3).
    pub fn eret(&mut self) {
        self.word(AL | 0x0160_006e);
    }

    /// `SMC #0` (B9.3.14).
    pub fn smc(&mut self) {
        self.word(AL | 0x0160_0070);
    }

    /// `DMB SY` (A8.8.43).
    pub fn dmb(&mut self) {
        self.word(0xf57f_f05f);
    }

    /// `ISB SY` (A8.8.53).
    pub fn isb(&mut self) {
        self.word(0xf57f_f06f);
    }

    /// `NOP` (A8.8.119).
    pub fn nop(&mut self) {
        self.word(AL | 0x0320_f000);
    }

    /// `WFI` (A8.8.425).
    pub fn wfi(&mut self) {
        self.word(AL | 0x0320_f003);
    }

    /// The code with its branches resolved.
    ///
    /// # Panics
    /// A label was not placed.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        for (at, Label(label)) in self.branches {
            let to = self.labels[label].expect("every label is placed");
            // Relative to two instructions further on.
            let offset = (to as u32).wrapping_sub(at as u32 + 2) & 0x00ff_ffff;
            self.words[at] |= offset;
        }
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}
