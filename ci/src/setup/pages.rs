// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Pages of the translation tables that a kernel makes for the SMMUs of a recipe, and what hangs on their size.

use std::path::Path;

use guest_images::machine::board::{Board, SMALLEST_PAGE};
use guest_images::system::kernel;

use crate::recipe::{Recipe, SmmuModel};

#[cfg(test)]
mod tests;

/// Reserved region of a recipe that begins or ends within a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "its pages have {kernel_kib} KiB, those of the translation tables {table_kib} KiB, and `reserved_region` of client \
     \"{client}\" (iova = {iova:#x}, size = {size:#x}) begins or ends within one: make it whole pages, give its length \
     in `pages`, or take a kernel with smaller pages"
)]
pub struct PartialPage {
    /// Pages of the kernel, in KiB.
    kernel_kib: u64,
    /// Pages of the translation tables, in KiB.
    table_kib: u64,
    /// The client whose region it is.
    client: String,
    /// First I/O address.
    iova: u64,
    /// Size in bytes.
    size: u64,
}

/// Translation tables of a recipe's SMMUs.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    board: Board,
    /// Granules that each SMMU has, in bytes, in board order.
    granules: Vec<Vec<u64>>,
}

impl Tables {
    /// The tables of the SMMUs of a recipe.
    pub fn of(recipe: &Recipe) -> Self {
        Self {
            board: recipe.board.clone(),
            granules: recipe.smmus.iter().map(granules).collect(),
        }
    }

    /// Bytes in a page of the tables of each SMMU under the kernel of an Image, in board order.
    pub fn pages(&self, image: &Path) -> Vec<u64> {
        let kernel_page = page_of(image);
        self.granules
            .iter()
            .map(|granules| table_page(granules, kernel_page))
            .collect()
    }

    /// Whether the reserved regions are whole pages of the tables under the kernel of an Image.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check(&self, image: &Path) -> Result<(), PartialPage> {
        let pages = self.pages(image);
        for client in &self.board.clients {
            let Some(region) = client.reserved_region else {
                continue;
            };
            let page = self.board.page_of(region, &pages);
            let (iova, size) = (region.iova, region.bytes(page));
            if iova % page != 0 || size % page != 0 {
                return Err(PartialPage {
                    kernel_kib: page_of(image) >> 10,
                    table_kib: page >> 10,
                    client: client.name.clone(),
                    iova,
                    size,
                });
            }
        }
        Ok(())
    }
}

/// Bytes in a page of the kernel of an Image; 4 KiB if the Image does not tell.
fn page_of(image: &Path) -> u64 {
    kernel::page_kib(image).map_or(SMALLEST_PAGE, |kib| u64::from(kib) << 10)
}

/// Granules of an SMMU's long-descriptor tables, in bytes, the smallest first.
fn granules(smmu: &SmmuModel) -> Vec<u64> {
    // Recipes are read with models that are valid.
    let Ok(geometry) = smmu.model.validate() else {
        return Vec::new();
    };
    // AArch32 tables have pages of 4 KiB.
    let granules = [
        (4, geometry.granule_4k || geometry.aarch32_long),
        (16, geometry.granule_16k),
        (64, geometry.granule_64k),
    ];
    let there = granules.into_iter().filter(|(_, there)| *there);
    there.map(|(kib, _)| kib << 10).collect()
}

/// Page of the tables that a kernel with pages of `kernel_page` bytes makes, in bytes: one of its own, else a smaller
/// one, else a larger one (`arm_lpae_restrict_pgsizes`).
fn table_page(granules: &[u64], kernel_page: u64) -> u64 {
    let fitting = granules.iter().rfind(|granule| **granule <= kernel_page);
    fitting.or(granules.first()).copied().unwrap_or(kernel_page)
}
