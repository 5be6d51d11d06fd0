// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! DMA devices: what they do, and DMA by a test master.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use smmu_emu::plan::Number;

use super::command::{Command, Context, arguments, narrow, typed};
use crate::client::device::Device;
use crate::config::Kind;
use crate::control::qmp::Error;
use crate::devices::test_master::registers::{
    NO_MISMATCH, Register, Status, WINDOW, WINDOW_SIZE, control, trigger,
};
use crate::dma::BLOCK_SIZE;
use crate::function::{DmaDevice, Function, MARKS_SIZE, region};

/// Time for which `dma` waits for the end.
const WAIT: Duration = Duration::from_millis(100);
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);
/// Bytes of what was read that are shown.
const SHOWN: usize = 64;

arguments!(List {
    /// Name of the SMMU; all if left out.
    smmu: Option<String>,
});

arguments!(Dma {
    /// Name of the test master; may be left out if there is only one.
    master: Option<String>,
    /// Bus address.
    address: Number,
    /// Bytes, at most 1 MiB.
    length: Number,
    /// `read`, `write` or `fetch`; `read` if left out.
    access: Option<String>,
    /// Whether the access is privileged; false if left out.
    privileged: Option<bool>,
    /// Stream ID; that of the configuration if left out.
    stream: Option<Number>,
    /// Seed of the pattern that is written, or that is expected; 0 if left out.
    seed: Option<Number>,
    /// Data to write instead, over and over: up to 2048 bytes in hexadecimal.
    data: Option<String>,
});

arguments!(One {
    /// Name of the test master; may be left out if there is only one.
    master: Option<String>,
});

const RESULT: &str = "`state` (`idle`, `running`, `stalled`, `done`, `bus-error`), `done` (bytes), \
                      `checksum` (CRC-32 of the data), `mismatch` (offset of the first byte read that is not \
                      the pattern's, or null), `data` (what the window begins with, in hexadecimal: after a \
                      read, what was read)";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "masters-list",
        about: "Lists the DMA devices behind the SMMUs.",
        arguments: List::ARGUMENTS,
        returns: "array of `master` (its name), `smmu`, `kind`, `stream`, `block` (offset in BAR2), \
                  `vector`, `accesses` (by the page, or by the request of a virtio device), `aborted` (ended \
                  with a bus error), `stalls` (so far), `stalled` (whether one waits now)",
        example: "",
        run: list,
    },
    Command {
        name: "dma",
        about: "Lets a `test-master` make a transfer, as the guest could by its registers (`docs/masters.md`), \
                and waits for its end for a tenth of a second.",
        arguments: Dma::ARGUMENTS,
        returns: RESULT,
        example: "master=test address=0x1000 length=64 access=write seed=7",
        run: dma,
    },
    Command {
        name: "dma-result",
        about: "Says how the last transfer of a `test-master` went, or goes.",
        arguments: One::ARGUMENTS,
        returns: RESULT,
        example: "master=test",
        run: |context, arguments| {
            let One { master } = typed(arguments)?;
            Ok(find(context, master.as_deref())?.result())
        },
    },
];

fn list(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let List { smmu } = typed(arguments)?;
    let mut found = Vec::new();
    for device in context.some_or_all(smmu.as_deref())? {
        let function = device.lock();
        for (block, dma_device) in (MARKS_SIZE..).step_by(step()).zip(function.dma_devices()) {
            let (config, activity) = (dma_device.config(), dma_device.activity());
            found.push(json!({
                "master": config.name,
                "smmu": device.name,
                "kind": config.kind.name(),
                "stream": config.stream_id,
                "block": block,
                "vector": dma_device.vector(),
                "accesses": activity.accesses(),
                "aborted": activity.aborted(),
                "stalls": activity.stalled(),
                "stalled": activity.waits(),
            }));
        }
    }
    Ok(found.into())
}

fn dma(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Dma {
        master,
        address,
        length,
        access,
        privileged,
        stream,
        seed,
        data,
    } = typed(arguments)?;
    let dma_device = find(context, master.as_deref())?;
    let mut controls = match access.as_deref() {
        None | Some("read") => 0,
        Some("write") => control::WRITE,
        Some("fetch") => control::INSTRUCTION,
        Some(_) => return Err(Error::generic("`access` has to be read, write or fetch")),
    };
    if privileged.unwrap_or(false) {
        controls |= control::PRIVILEGED;
    }
    let window = data.map(|text| window(&text)).transpose()?;
    if window.is_some() {
        controls |= control::WINDOW;
    }
    let length: u32 = narrow(length, "length")?;
    let stream: u16 = stream.map_or(Ok(dma_device.stream), |stream| narrow(stream, "stream"))?;
    let seed: u32 = seed.map_or(Ok(0), |seed| narrow(seed, "seed"))?;
    {
        let function = &mut dma_device.device.lock();
        if dma_device.read(function, Register::Status) == Status::Running as u32 {
            return Err(Error::generic("`master`: a transfer of it runs, or is stalled"));
        }
        if let Some(window) = window {
            dma_device.write_bytes(function, WINDOW, &window)?;
        }
        let (low, high) = (address.0 & u64::from(u32::MAX), address.0 >> 32);
        for (register, value) in [
            (Register::AddressLow, u32::try_from(low).unwrap_or(0)),
            (Register::AddressHigh, u32::try_from(high).unwrap_or(0)),
            (Register::Length, length),
            (Register::Control, controls),
            (Register::Stream, stream.into()),
            (Register::Seed, seed),
            (Register::Repeat, 1),
            (Register::Trigger, trigger::START),
        ] {
            dma_device.write_bytes(function, register as u64, &value.to_le_bytes())?;
        }
        if dma_device.read(function, Register::Status) == Status::Refused as u32 {
            return Err(Error::generic("`length` has to be 1 to 1 MiB"));
        }
    }
    let begin = Instant::now();
    loop {
        let result = dma_device.result();
        if result["state"] != "running" || begin.elapsed() >= WAIT {
            return Ok(result);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// The bytes that the window begins with; what is given is repeated, as the transfer repeats the window.
fn window(text: &str) -> Result<Vec<u8>, Error> {
    let wrong = || Error::generic("`data` has to be 1 to 2048 bytes, two hexadecimal digits each");
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, rest) = text.as_bytes().as_chunks();
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect();
    let bytes = bytes.filter(|bytes| rest.is_empty() && (1..=WINDOW_SIZE).contains(&bytes.len()));
    Ok(bytes
        .ok_or_else(wrong)?
        .iter()
        .copied()
        .cycle()
        .take(WINDOW_SIZE)
        .collect())
}

/// A test master of a running server.
struct TestMaster<'a> {
    device: &'a Device,
    /// Number of its block.
    number: usize,
    /// Stream ID of the configuration.
    stream: u16,
}

fn step() -> usize {
    usize::try_from(BLOCK_SIZE).unwrap_or(usize::MAX)
}

fn find<'a>(context: &'a Context, name: Option<&str>) -> Result<TestMaster<'a>, Error> {
    let mut found = Vec::new();
    for device in context.devices() {
        let function = device.lock();
        let is_test = |dma_device: &DmaDevice| dma_device.config().kind == Kind::TestMaster {};
        for (number, dma_device) in function
            .dma_devices()
            .iter()
            .enumerate()
            .filter(|(_, dma_device)| is_test(dma_device))
        {
            let stream = dma_device.config().stream_id;
            found.push((
                dma_device.config().name.clone(),
                TestMaster {
                    device,
                    number,
                    stream,
                },
            ));
        }
    }
    let names = || {
        found
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let position = match (name, found.len()) {
        (_, 0) => return Err(Error::generic("there is no DMA device of the kind test-master")),
        (None, 1) => 0,
        (None, _) => {
            return Err(Error::generic(format_args!(
                "`master` is missing: one of {}",
                names()
            )));
        }
        (Some(name), _) => found.iter().position(|(known, _)| known == name).ok_or_else(|| {
            Error::generic(format_args!(
                "`master`: {name:?} is no DMA device of the kind test-master; there are {}",
                names()
            ))
        })?,
    };
    Ok(found.swap_remove(position).1)
}

impl TestMaster<'_> {
    fn offset(&self, offset: u64) -> u64 {
        MARKS_SIZE + self.number as u64 * BLOCK_SIZE + offset
    }

    fn read(&self, function: &mut Function, register: Register) -> u32 {
        let mut data = [0; 4];
        // Within the region, so it cannot fail.
        let _ = function.read(region::BLOCKS, self.offset(register as u64), &mut data);
        u32::from_le_bytes(data)
    }

    fn write_bytes(&self, function: &mut Function, offset: u64, data: &[u8]) -> Result<(), Error> {
        function
            .write(region::BLOCKS, self.offset(offset), data)
            .map(drop)
            .map_err(Error::generic)
    }

    fn result(&self) -> Value {
        let function = &mut self.device.lock();
        let [status, done, checksum, mismatch] = [
            Register::Status,
            Register::Done,
            Register::Checksum,
            Register::Mismatch,
        ]
        .map(|register| self.read(function, register));
        let mut data = [0; SHOWN];
        let _ = function.read(region::BLOCKS, self.offset(WINDOW), &mut data);
        let waits = function
            .dma_devices()
            .get(self.number)
            .is_some_and(|dma_device| dma_device.activity().waits());
        let state = match status {
            status if status == Status::Running as u32 && waits => "stalled",
            status if status == Status::Running as u32 => "running",
            status if status == Status::Done as u32 => "done",
            status if status == Status::BusError as u32 => "bus-error",
            _ => "idle",
        };
        let shown = data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        json!({
            "state": state,
            "done": done,
            "checksum": checksum,
            "mismatch": (mismatch != NO_MISMATCH).then_some(mismatch),
            "data": shown,
        })
    }
}
