// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A bare QEMU machine that answers batches of cases.
//!
//! Its RAM is a memfd of this process. The mailbox has three 64-bit words: the number of the request, the count of
//! cases, and the number of the last request that is done. The guest polls the first, this side the last.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use guest_images::packages::lock::Lock;
use guest_images::packages::store::Store;
use rustix::fs::{MemfdFlags, memfd_create};

use super::case::{ANSWER, Case, RECORD};
use super::layout;
use super::tables::Tables;

/// A batch of a few thousand cases takes well under a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running QEMU; it ends with this value, and by itself when it has had no work for half a minute.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    memory: File,
    requests: u64,
}

/// Answer of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// PAR.
    pub par: u64,
    /// Syndrome of the exception that the operation took; 0 if none.
    pub syndrome: u64,
}

impl Machine {
    /// Starts a machine with one CPU of this model that runs `code`.
    ///
    /// # Errors
    /// There is no QEMU, or it does not start.
    pub fn start(cpu: &str, code: &[u8]) -> Result<Self> {
        let memory = File::from(memfd_create("oracle", MemfdFlags::CLOEXEC)?);
        memory.set_len(layout::RAM_SIZE)?;
        memory.write_all_at(code, layout::CODE - layout::RAM)?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd());
        let qemu = Store::open(None, None)?.qemu(&Lock::shipped()?)?;
        let qemu = qemu
            .program
            .command()
            // Without `highmem` nothing answers above 4 GiB.
            .args([
                "-M",
                "virt,virtualization=on,highmem=off,gic-version=2,memory-backend=ram",
            ])
            .args(["-cpu", cpu, "-accel", "tcg", "-m", "64M"])
            .args(["-nodefaults", "-display", "none"])
            .arg("-object")
            .arg(format!(
                "memory-backend-file,id=ram,size=64M,share=on,mem-path={path}"
            ))
            .arg("-device")
            .arg(format!("loader,addr={:#x},cpu-num=0", layout::CODE))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Only with a test that fails does one want to know what QEMU said.
            .stderr(Stdio::inherit())
            .spawn()?;
        Ok(Self {
            qemu,
            memory,
            requests: 0,
        })
    }

    /// Puts tables into memory. Only between requests.
    ///
    /// # Errors
    /// The memory cannot be written.
    pub fn load(&self, tables: &Tables) -> Result<()> {
        let (stage1, stage2) = tables.pools();
        self.memory.write_all_at(stage1, layout::STAGE1 - layout::RAM)?;
        self.memory.write_all_at(stage2, layout::STAGE2 - layout::RAM)?;
        Ok(())
    }

    /// Lets the guest walk.
    ///
    /// # Errors
    /// QEMU ended, or does not answer in time.
    pub fn walk(&mut self, cases: &[Case]) -> Result<Vec<Answer>> {
        let room = (layout::STAGE2 - layout::CASES) as usize / RECORD;
        ensure!(cases.len() <= room, "at most {room} cases");
        let records: Vec<u8> = cases.iter().flat_map(Case::record).collect();
        self.memory.write_all_at(&records, layout::CASES - layout::RAM)?;
        self.requests += 1;
        let mailbox = layout::MAILBOX - layout::RAM;
        self.memory
            .write_all_at(&(cases.len() as u64).to_le_bytes(), mailbox + 8)?;
        self.memory.write_all_at(&self.requests.to_le_bytes(), mailbox)?;
        let begin = Instant::now();
        while self.word(mailbox + 16)? != self.requests {
            if let Some(status) = self.qemu.try_wait()? {
                bail!("QEMU ended: {status}");
            }
            ensure!(begin.elapsed() < PATIENCE, "no answer to {} cases", cases.len());
            std::thread::sleep(Duration::from_micros(300));
        }
        let mut records = records;
        self.memory
            .read_exact_at(&mut records, layout::CASES - layout::RAM)?;
        records
            .chunks_exact(RECORD)
            .map(|record| {
                let word = |at: usize| -> Result<u64> {
                    let bytes = record.get(at..at + 8).context("a record's word")?;
                    Ok(u64::from_le_bytes(bytes.try_into()?))
                };
                Ok(Answer {
                    par: word(ANSWER)?,
                    syndrome: word(ANSWER + 8)?,
                })
            })
            .collect()
    }

    fn word(&self, offset: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.memory.read_exact_at(&mut bytes, offset)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
