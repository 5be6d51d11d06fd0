// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An SMMU with its host, and its registers by name.

use super::fields::{cba2r, cbar, s2cr, smr, tcr2};
use super::host::Host;
use super::ram::Ram;
use super::registers::Locate;
use super::tables::Tables;
use crate::{Config, Memory, Plan, Response, Smmu, TlbMode, Transaction};

/// An SMMU with its host.
#[derive(Debug)]
pub struct Bench<M = Ram> {
    /// The SMMU.
    pub smmu: Smmu,
    /// Everything outside of it.
    pub host: Host<M>,
}

impl Bench {
    /// An SMMU of a configuration in TOML, without rules; without a TLB unless the configuration has a `tlb`.
    ///
    /// # Panics
    /// The configuration is wrong.
    #[must_use]
    pub fn new(config: &str) -> Self {
        Self::with_plan(config, "")
    }

    /// An SMMU of a configuration and a plan in TOML; without a TLB unless the configuration has a `tlb`.
    ///
    /// # Panics
    /// The configuration or the plan is wrong.
    #[must_use]
    pub fn with_plan(config: &str, plan: &str) -> Self {
        let mut config: Config = toml::from_str(config).expect("the test's configuration parses");
        // Tests of translation change tables and registers as they like; those of the TLB ask for one.
        config.tlb.get_or_insert(TlbMode::Off);
        let plan = toml::from_str(plan).expect("the test's plan parses");
        Self::with_host(&config, plan, Host::new())
    }
}

impl<M: Memory> Bench<M> {
    /// An SMMU and a host of one's own, reset.
    ///
    /// # Panics
    /// The configuration or the plan is wrong.
    pub fn with_host(config: &Config, plan: Plan, mut host: Host<M>) -> Self {
        let mut smmu = Smmu::new(config, plan).expect("the test's configuration and plan are valid");
        smmu.reset(&mut host);
        Self { smmu, host }
    }

    /// Byte offset of a register in the register space.
    pub fn offset(&self, register: impl Locate) -> u64 {
        register.locate(self.smmu.geometry())
    }

    /// Reads 32 bits.
    pub fn r(&mut self, register: impl Locate) -> u32 {
        let mut data = [0xa5; 4];
        let offset = self.offset(register);
        let delayed = self.smmu.read(&mut self.host, offset, &mut data);
        self.host.delayed.extend(delayed);
        u32::from_le_bytes(data)
    }

    /// Reads 64 bits.
    pub fn r64(&mut self, register: impl Locate) -> u64 {
        let mut data = [0xa5; 8];
        let offset = self.offset(register);
        let delayed = self.smmu.read(&mut self.host, offset, &mut data);
        self.host.delayed.extend(delayed);
        u64::from_le_bytes(data)
    }

    /// Writes 32 bits.
    pub fn w(&mut self, register: impl Locate, value: u32) {
        let offset = self.offset(register);
        let delayed = self.smmu.write(&mut self.host, offset, &value.to_le_bytes());
        self.host.delayed.extend(delayed);
    }

    /// Writes 64 bits.
    pub fn w64(&mut self, register: impl Locate, value: u64) {
        let offset = self.offset(register);
        let delayed = self.smmu.write(&mut self.host, offset, &value.to_le_bytes());
        self.host.delayed.extend(delayed);
    }

    /// Reads 32 bits as Secure software.
    pub fn secure_r(&mut self, register: impl Locate) -> u32 {
        let mut data = [0xa5; 4];
        let offset = self.offset(register);
        let delayed = self.smmu.read_secure(&mut self.host, offset, &mut data);
        self.host.delayed.extend(delayed);
        u32::from_le_bytes(data)
    }

    /// Writes 32 bits as Secure software.
    pub fn secure_w(&mut self, register: impl Locate, value: u32) {
        let offset = self.offset(register);
        let delayed = self
            .smmu
            .write_secure(&mut self.host, offset, &value.to_le_bytes());
        self.host.delayed.extend(delayed);
    }

    /// Sends a stream to a context bank, by stream-matching group 0.
    pub fn route(&mut self, stream_id: u32, bank: u32) {
        self.w(("S2CRn", 0), s2cr::CBNDX(bank));
        self.w(("SMRn", 0), smr::VALID | smr::ID(stream_id));
    }

    /// Makes a bank an AArch64 stage 1 bank with these tables, an ASID of 16 bits and all bits of an address, and
    /// writes SCTLR last.
    pub fn stage1(&mut self, bank: u64, tables: &Tables, asid: u64, sctlr: u32) {
        self.w(("CBARn", bank), cbar::KIND(1));
        self.w(("CBA2Rn", bank), cba2r::VA64);
        self.w(("CBn_TCR2", bank), tcr2::SEP(7) | tcr2::AS | tcr2::PASIZE(5));
        self.w(("CBn_TCR", bank), tables.tcr());
        self.w64(("CBn_TTBR0", bank), tables.root() | asid << 48);
        self.w(("CBn_SCTLR", bank), sctlr);
    }

    /// Makes a client's access.
    pub fn transact(&mut self, transaction: Transaction) -> Response {
        self.smmu.transact(&mut self.host, &transaction)
    }
}
