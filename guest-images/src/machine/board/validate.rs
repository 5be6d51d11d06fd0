// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Checks of a board beyond its types.

use std::collections::BTreeSet;

use super::{
    Board, BoardError, BoardSmmu, Client, ClientKind, LARGEST_PAGE, MAX_MEMORY_MIB, MAX_SMMUS,
    MAX_STREAM_IDS, MAX_SWITCHED_REGULATORS, MIN_MEMORY_MIB, ReservedRegion, SMALLEST_PAGE, Supplier,
    SupplierKind,
};

/// Address of the first byte of memory.
const MEMORY: u64 = 0x4000_0000;

impl Board {
    /// Checks everything that the types do not say.
    ///
    /// # Errors
    ///
    /// The first problem found, with the item it concerns.
    pub fn validate(&self) -> Result<(), BoardError> {
        let (gic, most) = (u8::from(self.gic()), self.gic().max_cpus());
        if !(1..=most).contains(&self.cpus) {
            let problem = format!("{} CPUs; a GICv{gic} serves 1 to {most}", self.cpus);
            return Err(BoardError::new("cpus", problem));
        }
        if !(MIN_MEMORY_MIB..=MAX_MEMORY_MIB).contains(&self.memory_mib) {
            let problem = format!(
                "{} MiB; allowed are {MIN_MEMORY_MIB} to {MAX_MEMORY_MIB}",
                self.memory_mib
            );
            return Err(BoardError::new("memory_mib", problem));
        }
        if self.smmus.len() > MAX_SMMUS {
            let problem = format!("{} SMMUs; there is room for {MAX_SMMUS}", self.smmus.len());
            return Err(BoardError::new("smmu", problem));
        }
        self.validate_names()?;
        for supplier in &self.suppliers {
            self.validate_supplier(supplier)?;
        }
        for smmu in &self.smmus {
            self.validate_smmu(smmu)?;
        }
        for client in &self.clients {
            self.validate_client(client)?;
        }
        self.virtio_slots().map(drop)?;
        self.validate_regions()
    }

    fn validate_names(&self) -> Result<(), BoardError> {
        let mut seen = BTreeSet::new();
        let smmus = self.smmus.iter().map(|s| ("smmu", &s.name));
        let suppliers = self.suppliers.iter().map(|s| ("supplier", &s.name));
        let clients = self.clients.iter().map(|c| ("client", &c.name));
        for (table, name) in smmus.chain(suppliers).chain(clients) {
            let place = format!("{table} \"{name}\"");
            let letters = name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
            if !letters || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 20 {
                let problem = "a name is 1 to 20 of a-z, 0-9, '_' and '-', and starts with a letter";
                return Err(BoardError::new(place, problem));
            }
            if !seen.insert(name) {
                return Err(BoardError::new(place, "the name is used twice"));
            }
        }
        Ok(())
    }

    fn validate_supplier(&self, supplier: &Supplier) -> Result<(), BoardError> {
        let error = |problem: String| {
            Err(BoardError::new(
                format!("supplier \"{}\"", supplier.name),
                problem,
            ))
        };
        match supplier.kind {
            SupplierKind::RegulatorFixed if supplier.supply.is_some() => {
                error("`supply` is for clocks; a regulator-fixed has none here".to_owned())
            }
            SupplierKind::GatedFixedClock if supplier.startup_delay_us.is_some() => {
                error("`startup_delay_us` belongs to the regulator that supplies the clock".to_owned())
            }
            SupplierKind::GatedFixedClock => match &supplier.supply {
                None => error("a gated-fixed-clock needs `supply`, the name of a regulator-fixed".to_owned()),
                Some(name) if self.supplier(name, SupplierKind::RegulatorFixed).is_none() => error(format!(
                    "supply \"{name}\" is not a regulator-fixed of this board"
                )),
                Some(_) => Ok(()),
            },
            SupplierKind::RegulatorFixed
                if self
                    .switched_regulator(&supplier.name)
                    .is_some_and(|number| number >= MAX_SWITCHED_REGULATORS) =>
            {
                error(format!(
                    "no GPIO line is left to switch it: {MAX_SWITCHED_REGULATORS} regulators may have a \
                     `startup_delay_us`"
                ))
            }
            SupplierKind::RegulatorFixed => Ok(()),
        }
    }

    fn validate_smmu(&self, smmu: &BoardSmmu) -> Result<(), BoardError> {
        let error = |problem: String| Err(BoardError::new(format!("smmu \"{}\"", smmu.name), problem));
        if !smmu.compatible.is_valid() {
            return error(format!(
                "compatible {:?}: a device tree has one or more names of letters, digits and ,.-_+",
                smmu.compatible.names()
            ));
        }
        if smmu.stream_match_mask.is_some() && self.has_masks(&smmu.name) {
            let problem = "has a `stream_match_mask`, and clients with a `mask`, for which Linux ignores it";
            return error(problem.to_owned());
        }
        match &smmu.clock {
            Some(name) if self.supplier(name, SupplierKind::GatedFixedClock).is_none() => error(format!(
                "clock \"{name}\" is not a gated-fixed-clock of this board"
            )),
            _ => Ok(()),
        }
    }

    fn validate_client(&self, client: &Client) -> Result<(), BoardError> {
        let error = |problem: String| Err(BoardError::new(format!("client \"{}\"", client.name), problem));
        if client.slot.is_some() && client.kind != ClientKind::VirtioMmio {
            return error("`slot` is for virtio-mmio only".to_owned());
        }
        if let Some(parent) = &client.parent {
            if client.kind.is_master() {
                return error(format!(
                    "a {} is there from boot and has no `parent`",
                    client.kind.name()
                ));
            }
            if client.kind == ClientKind::Bus {
                return error("a bus is there from boot and has no `parent`".to_owned());
            }
            if !self
                .clients
                .iter()
                .any(|c| c.name == *parent && c.kind == ClientKind::Bus)
            {
                return error(format!("parent \"{parent}\" is not a client of kind \"bus\""));
            }
        }
        if let Some(clock) = &client.assigned_clock {
            if self.supplier(clock, SupplierKind::GatedFixedClock).is_none() {
                return error(format!(
                    "assigned_clock \"{clock}\" is not a gated-fixed-clock of this board"
                ));
            }
            if matches!(client.kind, ClientKind::Sp805 | ClientKind::Pl330) {
                return error("`assigned_clock` is for devices of the platform bus".to_owned());
            }
        }
        let mut ids = 0;
        for iommu in &client.iommus {
            if !self.smmus.iter().any(|s| s.name == iommu.smmu) {
                return error(format!(
                    "iommus names \"{}\", which is not an SMMU of this board",
                    iommu.smmu
                ));
            }
            let (count, highest) = iommu
                .all_stream_ids()
                .fold((0_usize, 0), |(n, highest), id| (n + 1, id.max(highest)));
            if count == 0 {
                return error(format!("no stream ID at SMMU \"{}\"", iommu.smmu));
            }
            if highest > 0xffff {
                return error(format!(
                    "stream ID {highest:#x} at SMMU \"{}\" has over 16 bits",
                    iommu.smmu
                ));
            }
            ids += count;
        }
        if ids > MAX_STREAM_IDS {
            return error(format!("{ids} stream IDs; the limit is {MAX_STREAM_IDS}"));
        }
        if client.reserved_region.is_some() && client.iommus.is_empty() {
            return error("`reserved_region` without `iommus` has no effect".to_owned());
        }
        Ok(())
    }

    fn validate_regions(&self) -> Result<(), BoardError> {
        let mut regions: Vec<(ReservedRegion, &str)> = self
            .clients
            .iter()
            .filter_map(|c| c.reserved_region.map(|r| (r, c.name.as_str())))
            .collect();
        regions.sort_unstable();
        let error = |name: &str, problem: String| Err(BoardError::new(format!("client \"{name}\""), problem));
        for (region, name) in &regions {
            let problem = match (region.size, region.pages) {
                (Some(_), None) => "iova and size are multiples of 4096, not empty, below 2^48",
                (None, Some(_)) => {
                    "iova is a multiple of 65536, pages not 0, all of them below 2^48 with 65536 bytes each"
                }
                _ => return error(name, "reserved_region has one of `size` and `pages`".to_owned()),
            };
            let grain = region.pages.map_or(SMALLEST_PAGE, |_| LARGEST_PAGE);
            let size = region.bytes(LARGEST_PAGE);
            let aligned = region.iova % grain == 0 && size % grain == 0 && size != 0;
            if !aligned || region.iova.checked_add(size).is_none_or(|end| end > 1 << 48) {
                return error(name, format!("reserved_region: {problem}"));
            }
            // The one-to-one mapping makes these I/O addresses physical ones too, and nothing may live there.
            let memory = u64::from(self.memory_mib) * (1 << 20);
            let (free, end) = (MEMORY + memory / 4 * 3, MEMORY + memory);
            let is_in_memory = region.iova >= free && region.iova + size <= end;
            if region.iova < end && !is_in_memory {
                let problem = format!(
                    "reserved_region is neither in the last quarter of memory, from {free:#x} to {end:#x}, where \
                     nothing is loaded, nor above it"
                );
                return error(name, problem);
            }
        }
        for pair in regions.windows(2) {
            let [(a, _), (b, name)] = pair else { continue };
            if a != b && a.iova + a.bytes(LARGEST_PAGE) > b.iova {
                return error(
                    name,
                    "reserved_region overlaps another one; share it or keep apart".to_owned(),
                );
            }
        }
        Ok(())
    }

    fn supplier(&self, name: &str, kind: SupplierKind) -> Option<&Supplier> {
        self.suppliers.iter().find(|s| s.name == name && s.kind == kind)
    }
}
