// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The model's side: from the CPU's registers to an SMMU's context banks, and from `CBn_PAR` to an outcome.

use std::cell::RefCell;

use anyhow::Result;
use smmu_emu::fault::ContextCause;
use smmu_emu::testing::Host;
use smmu_emu::{BusError, Config, Fault, Intent, Memory, Plan, Preset, Smmu, Transaction};

use super::case::{Case, Cause, Operation, Outcome};
use super::registers::HCR_PTW;
use super::shape::{Shape, Stage1, Stage2};
use super::tables::Tables;

/// The bank of stage 1.
const FIRST: u64 = 1;
/// The bank of stage 2.
const SECOND: u64 = 2;
const VA64: u32 = 1;
const PAGE: u64 = 0x1000;
const GR1: u64 = PAGE;

/// Address and bytes that a walk read; `None` where there is no memory.
pub type Read = (u64, Option<Vec<u8>>);

/// The tables as physical memory, with a record of what was read.
#[derive(Debug)]
pub struct Recorded<'a> {
    tables: &'a Tables,
    reads: RefCell<Vec<Read>>,
}

impl Memory for Recorded<'_> {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        let bytes = self.tables.read(address, data.len());
        self.reads.borrow_mut().push((address, bytes.clone()));
        data.copy_from_slice(&bytes.ok_or(BusError)?);
        Ok(())
    }

    fn compare_exchange(&self, _: u64, _: u64, _: u64) -> Result<u64, BusError> {
        Err(BusError)
    }
}

impl<'a> Recorded<'a> {
    /// A host whose memory is the tables. Nothing is read yet.
    #[must_use]
    pub fn host(tables: &'a Tables) -> Host<Self> {
        Host::quiet(Self {
            tables,
            reads: RefCell::default(),
        })
    }

    /// Address and bytes of every read since the last call.
    pub fn take_reads(&self) -> Vec<Read> {
        self.reads.take()
    }
}

/// An SMMU with the output size of the CPU that it is compared with.
#[derive(Debug)]
pub struct Model {
    smmu: Smmu,
    pages: u64,
}

impl Model {
    /// A model with this many physical address bits.
    ///
    /// # Errors
    /// Not a number that an SMMU can have.
    pub fn new(address_bits: u8) -> Result<Self> {
        let mut config = Config::from(Preset::Generic);
        config.address_bits = Some(address_bits);
        let smmu = Smmu::new(&config, Plan::default())?;
        let pages = smmu.geometry().page_count();
        Ok(Self { smmu, pages })
    }

    fn bank(&self, bank: u64, offset: u64) -> u64 {
        (self.pages + bank) * PAGE + offset
    }

    fn write32(&mut self, host: &mut Host<Recorded<'_>>, offset: u64, value: u32) {
        self.smmu.write(host, offset, &value.to_le_bytes());
    }

    fn write64(&mut self, host: &mut Host<Recorded<'_>>, offset: u64, value: u64) {
        self.smmu.write(host, offset, &value.to_le_bytes());
    }

    fn read64(&mut self, host: &mut Host<Recorded<'_>>, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.smmu.read(host, offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Sets what all cases of a shape have in common: one stream, which the bank of stage 1 translates, or that of
    /// stage 2 alone.
    pub fn prepare(&mut self, host: &mut Host<Recorded<'_>>, shape: Shape) {
        self.write32(host, 0xc00, if shape.stage1.is_some() { 1 } else { 2 });
        self.write32(host, 0x800, 1 << 31);
        self.write32(host, 0, 0);
        let first = if shape.stage2.is_some() {
            3 << 16 | (SECOND as u32) << 8
        } else {
            // What stage 2 would add is the weakest: Normal write-back, not shareable.
            1 << 16 | 0xf << 12 | 3 << 8
        };
        let wide = matches!(shape.stage1, Some(Stage1::AArch64(_)));
        self.write32(host, GR1 + 4 * FIRST, first);
        self.write32(host, GR1 + 0x800 + 4 * FIRST, if wide { VA64 } else { 0 });
        let wide = matches!(shape.stage2, Some(Stage2::AArch64(_)));
        self.write32(host, GR1 + 4 * SECOND, 0);
        self.write32(host, GR1 + 0x800 + 4 * SECOND, if wide { VA64 } else { 0 });
    }

    /// The walk of a case.
    pub fn walk(&mut self, host: &mut Host<Recorded<'_>>, shape: Shape, case: &Case) -> Outcome {
        if shape.stage2.is_some() {
            self.set_stage2(host, case);
        }
        if let Some(format) = shape.stage1 {
            self.set_stage1(host, format, case);
        }
        // TLBIALLNSNH.
        self.write32(host, 0x68, 0);
        let transaction = |model: &Self, host: &Host<Recorded<'_>>| model.transaction(host, shape, case);
        let Some(format) = shape.stage1 else {
            return transaction(self, host);
        };
        let par = if shape.stage2.is_some() {
            self.global_operation(host, case)
        } else {
            self.operation(host, case)
        };
        let told = outcome_of_par(par, format, case.address);
        if !reaches(case.address, format) {
            return told;
        }
        let reads = host.memory.take_reads();
        let done = transaction(self, host);
        host.memory.reads.replace(reads);
        match (told, done) {
            // In the short format PAR has no room for what stage 2 puts above 4 GiB.
            (Outcome::Mapped { page, .. }, Outcome::Mapped { page: whole, .. })
                if format == Stage1::Short && shape.stage2.is_some() && page == whole & 0xffff_ffff =>
            {
                Outcome::Mapped {
                    page: whole,
                    attributes: None,
                    shareability: None,
                }
            }
            _ if told.agrees(done) => told,
            _ => Outcome::Nonsense { par, syndrome: 0 },
        }
    }

    fn set_stage1(&mut self, host: &mut Host<Recorded<'_>>, format: Stage1, case: &Case) {
        if matches!(format, Stage1::AArch64(_)) {
            // TCR_EL1 63:32 are PASize, AS, TBI0 and TBI1 of TCR2; SEP = 7 extends the sign of a bus address.
            let tcr2 = (case.tcr >> 32) as u32 | 7 << 15;
            self.write32(host, self.bank(FIRST, 0x10), tcr2);
        }
        self.write32(host, self.bank(FIRST, 0x30), case.tcr as u32);
        self.write64(host, self.bank(FIRST, 0x20), case.ttbr0);
        self.write64(host, self.bank(FIRST, 0x28), case.ttbr1);
        self.write32(host, self.bank(FIRST, 0x38), case.mair as u32);
        self.write32(host, self.bank(FIRST, 0x3c), (case.mair >> 32) as u32);
        // M; EE (25) is E (4), WXN (19) is 9, UWXN (20) is 10, TRE (28) is 1, AFE (29) is 2.
        let bit = |from: u32, to: u32| ((case.sctlr >> from & 1) as u32) << to;
        let sctlr = bit(0, 0) | bit(25, 4) | bit(19, 9) | bit(20, 10) | bit(28, 1) | bit(29, 2);
        self.write32(host, self.bank(FIRST, 0), sctlr);
    }

    fn set_stage2(&mut self, host: &mut Host<Recorded<'_>>, case: &Case) {
        self.write32(host, self.bank(SECOND, 0x30), case.vtcr as u32);
        self.write64(host, self.bank(SECOND, 0x20), case.vttbr & 0x0000_ffff_ffff_ffff);
        // PTW is bit 13; M.
        let protected = if case.hcr & HCR_PTW == 0 { 0 } else { 1 << 13 };
        self.write32(host, self.bank(SECOND, 0), protected | 1);
    }

    /// `CBn_ATS1*`, then `CBn_PAR`.
    fn operation(&mut self, host: &mut Host<Recorded<'_>>, case: &Case) -> u64 {
        let Operation { write, user, .. } = case.operation;
        let register = 0x800 + 8 * u64::from(write) + 0x10 * u64::from(user);
        self.write64(host, self.bank(FIRST, register), case.address & !0xfff);
        self.read64(host, self.bank(FIRST, 0x50))
    }

    /// `GATS12*`, then `GPAR`.
    fn global_operation(&mut self, host: &mut Host<Recorded<'_>>, case: &Case) -> u64 {
        let Operation { write, user, .. } = case.operation;
        let register = 0x120 + 8 * u64::from(write) + 0x10 * u64::from(!user);
        self.write64(host, register, case.address & !0xfff | FIRST);
        self.read64(host, 0x180)
    }

    /// Walks by a transaction, which is all that a stage 2 bank alone has.
    fn transaction(&self, host: &Host<Recorded<'_>>, shape: Shape, case: &Case) -> Outcome {
        let transaction = Transaction {
            stream_id: 0,
            address: case.address,
            intent: Intent {
                privileged: !case.operation.user,
                write: case.operation.write,
                instruction: false,
            },
        };
        match self.smmu.translate(host, &transaction) {
            Ok(translation) => Outcome::Mapped {
                page: translation.address & !0xfff,
                attributes: Some(translation.attributes),
                shareability: None,
            },
            Err(Fault::Context(fault)) => Outcome::Fault {
                cause: match fault.cause {
                    ContextCause::Translation => Cause::Translation,
                    ContextCause::AddressSize => Cause::AddressSize,
                    ContextCause::AccessFlag => Cause::AccessFlag,
                    ContextCause::Permission => Cause::Permission,
                    ContextCause::ExternalOnWalk => Cause::External,
                },
                level: Some(fault.level as u8),
                // The bank of a nested fault tells who records it.
                stage2: (shape.stage1.is_none()).then_some(u64::from(fault.bank) == SECOND),
            },
            Err(_) => Outcome::Nonsense { par: 0, syndrome: 0 },
        }
    }
}

/// Whether a bus address of 49 bits can stand for the whole address.
fn reaches(address: u64, format: Stage1) -> bool {
    let extended = (address << 15) as i64 >> 15;
    !matches!(format, Stage1::AArch64(_)) || extended as u64 == address
}

/// From `CBn_PAR` or `GPAR` (IHI 0062D §9, §16).
fn outcome_of_par(par: u64, format: Stage1, address: u64) -> Outcome {
    if par & 1 == 0 {
        if format == Stage1::Short {
            // SS: bits 23 to 16 are those from 39 to 32 of the address; below, it is that which was asked for.
            let page = if par & 2 == 0 {
                par & 0xffff_f000
            } else {
                (par >> 16 & 0xff) << 32 | par & 0xff00_0000 | address & 0x00ff_f000
            };
            return Outcome::Mapped {
                page,
                attributes: None,
                shareability: None,
            };
        }
        return Outcome::Mapped {
            page: par & 0x0000_ffff_ffff_f000,
            attributes: Some(par.to_le_bytes()[7]),
            shareability: Some((par >> 7 & 3) as u8),
        };
    }
    let cause = match par >> 1 & 0x7f {
        0x01 => Cause::Translation,
        0x02 => Cause::AccessFlag,
        0x04 => Cause::Permission,
        0x08 => Cause::External,
        0x40 => Cause::AddressSize,
        _ => return Outcome::Nonsense { par, syndrome: 0 },
    };
    Outcome::Fault {
        cause,
        level: Some((par >> 32 & 3) as u8),
        stage2: Some(par >> 35 & 1 == 1),
    }
}
