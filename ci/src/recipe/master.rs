// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Masters of a recipe: what fits together between board, models and image files.

use std::path::{Component, Path};

use guest_images::machine::board::{Board, ClientKind};
use toml::Spanned;
use vfio_server::config::dma_devices::{self as config, DmaDeviceConfig, Kind};

use super::SmmuModel;
use super::image::{Image, MAX_MIB};
use super::names::list;
use super::problem::{Checked, problem};

/// The images: files of the run's directory, none twice.
pub(super) fn images(written: Vec<Spanned<Image>>) -> Checked<Vec<Image>> {
    let mut images: Vec<Image> = Vec::with_capacity(written.len());
    for image in written {
        let span = image.span();
        let image = image.into_inner();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let text = if !image.name.bytes().all(plain) || !image.name.ends_with(".img") {
            "a name is of A-Z a-z 0-9 . _ - and ends in \".img\"".to_owned()
        } else if !(1..=MAX_MIB).contains(&image.size_mib) {
            format!("`size_mib` = {}: allowed are 1 to {MAX_MIB}", image.size_mib)
        } else if images.iter().any(|other| other.name == image.name) {
            "the name is used twice".to_owned()
        } else {
            images.push(image);
            continue;
        };
        return problem(span, format!("image {:?}: {text}", image.name));
    }
    Ok(images)
}

/// Checks the masters of all models against the board and the images; an error names the master.
pub(super) fn check(board: &Board, smmus: &[SmmuModel], images: &[Image]) -> Result<(), (String, String)> {
    let masters: Vec<&DmaDeviceConfig> = smmus.iter().flat_map(|smmu| &smmu.masters).collect();
    config::check_together(&masters).map_err(|error| (error.name.clone(), error.to_string()))?;
    for master in masters {
        let error = |text: String| {
            Err((
                master.name.clone(),
                format!("DMA device \"{}\": {text}", master.name),
            ))
        };
        if let Kind::VirtioBlk(disk) = &master.kind {
            let named = |image: &Image| Path::new(&image.name) == disk.image;
            if !disk.image.is_absolute() && !images.iter().any(named) {
                return error(format!(
                    "`image` = {:?} is neither an absolute path nor an `[[image]]` of this recipe, which has {}",
                    disk.image,
                    list(images.iter().map(|image| &image.name))
                ));
            }
        }
        if let Kind::VirtioConsole(console) = &master.kind {
            let mut paths = [Some(&console.output), console.input.as_ref()]
                .into_iter()
                .flatten();
            let is_name = |path: &Path| {
                let mut parts = path.components();
                matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
            };
            if let Some(path) = paths.find(|path| !path.is_absolute() && !is_name(path)) {
                return error(format!(
                    "{path:?} is neither an absolute path nor the name of a file in the run's directory"
                ));
            }
        }
        let Some(client) = board.clients.iter().find(|client| client.name == master.name) else {
            // Only the control socket reaches it.
            continue;
        };
        if client.kind.name() != master.kind.name() {
            return error(format!(
                "is of kind {}, and the client of that name of kind {}",
                master.kind.name(),
                client.kind.name()
            ));
        }
        // A test master may be there to use another one's stream ID.
        let free = client.kind == ClientKind::TestMaster || client.iommus.is_empty();
        if !free && !board.has_stream(client, master.stream_id) {
            return error(format!(
                "`stream_id` = {} is not among those of the client of that name",
                master.stream_id
            ));
        }
    }
    Ok(())
}
