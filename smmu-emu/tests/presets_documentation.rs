// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `docs/presets.md` is written from the identification registers of the presets.
//! `UPDATE_DOCS=1 cargo test -p smmu-emu --test presets_documentation` renews it.

use std::path::Path;

use smmu_emu::testing::Host;
use smmu_emu::{Config, Plan, Preset, Smmu};

const HEAD: &str = "# Presets

Written from the model's identification registers by a test (`smmu-emu/tests/presets_documentation.rs`); do not edit.

A preset is where the values of all absent fields of a configuration come from (`smmu-emu/src/config/preset.rs`).

| preset | what it is | compatible | where its numbers come from |
| --- | --- | --- | --- |
| `mmu-500` | MMU-500 r2p1 of ZynqMP | `arm,mmu-500` | reset values of the part's register reference, less SES \
(`secure_state`) |
| `mmu-500-ats` | the same with address translation operations | `arm,mmu-500` | as above; no part is known that \
clears ATOSNS |
| `mmu-401` | MMU-401 of Juno's PCIe: SMMUv1, stage 2 alone | `arm,mmu-401` | what Linux logs there: 4 banks (4 \
stage-2 only), 32 groups, page sizes 0x60211000, 40 bits, fault records (FSR without FORMAT, FSYNR0 with NSATTR and \
NSSTATE); 64 KiB and one interrupt from its device tree; a stream match conflict faults, as Xen met it there |
| `smmuv2-generic` | SMMUv2 with every feature of the model but event counters (`pmu_groups`) | `arm,smmu-v2` | chosen |
| `qcom-x1e-adreno` | the GPU's SMMU of Snapdragon X Elite | `qcom,adreno-smmu`, `qcom,smmu-500` | banks (25 \
interrupts, an upper bound) and size (256 KiB) from the device tree; no address translation operations and page sizes \
0x61311000, as Linux logs them on sc8280xp, sc8180x and qcm2290; groups and 36 bits are assumed |
| `tegra-mmu-500` | one instance of Tegra194's | `nvidia,tegra194-smmu` | what Linux logs there: 64 banks, 128 groups, \
page sizes 0x61311000, 48 bits; pages of 64 KiB from its size of 8 MiB |

A mirrored pair of Tegra's is two instances that the host writes alike. Of Qualcomm's registers beyond
MMU-500's there are those that Linux uses: ACTLR's bits 9, 8 and 5, GFX_PRR_CFG, and the synchronisation counters, \
which read
zero; PRR has no effect on translation. Everything that an MMU-401 does is stage 2; the model walks it in the AArch64 \
format, whose
descriptors and TCR fields are those that Linux uses there.

## Kernels

A guest test (`guest_with_every_preset` in `tests/tests/guests/presets.rs`) has a stock driver bind each preset, move
data through it, and take a context fault and a global fault, whose lines it compares field by field. Kernels: 7.3.4,
and in the long run 6.16.3. `mmu-401` is there with one context interrupt and with four; Qualcomm's and Tegra's presets
bind as `arm,mmu-500` and `nvidia,smmu-500`.

## Identification

Each number can be changed in the configuration, as far as a field is named.

`live_groups = [{ stream_id = 0x400, mask = 2 }]` has groups valid out of reset, as a boot loader with a display
leaves them: from the first on or where `group` says, of a `kind` (`bypass`, `fault`, or `translate` with a
`context_bank`); `qcom_smmu_cfg_probe` keeps those. Qualcomm's other SMMUs, as their logs show them:
`filtered_s2cr = true` (sc8280xp: a hypervisor stores a bypass as a fault, and ignores a fault),
`stream_match_groups = 162`, `context_banks = 110`, `bus_bits = 36` (its 15000000), `bus_bits = 32` (MSM8998's
cd00000), `cbar_reset = 0x100ff` (banks as Gunyah leaves them for U-Boot).

";

/// Register and its offset, field, top bit, bottom bit; what it means to Linux.
const FIELDS: &str = "
IDR0 20 S1TS 30 30: stage 1 (`stage1`); without it and S2TS Linux refuses the device, DMA domains prefer it
IDR0 20 S2TS 29 29: stage 2 (`stage2`); used for domains if there is no stage 1
IDR0 20 NTS 28 28: nested (`nested`); logged, never used: a nested domain becomes stage 2
IDR0 20 SMS 27 27: stream matching; 0 is stream indexing (`stream_match_groups = 0`), one S2CR per stream ID
IDR0 20 ATOSNS 26 26: 1: **no** address translation operations (`ats`); with 0 `iova_to_phys` writes CBn_ATS1PR
IDR0 20 PTFS 25 24: 0: AArch32 short and long, 1: long alone, 2: none (`aarch32_short`, `aarch32_long`); a 64-bit \
kernel only takes page sizes from it, unless no AArch64 granule is there
IDR0 20 NUMIRPT 23 16: version 2: 1, one interrupt per context bank, and the device tree has to list NUMCB of them; \
version 1: the interrupts that software assigns to banks with CBAR.IRPTNDX (`context_interrupts`)
IDR0 20 EXSMRGS 15 15: extended groups (`extended_stream_match_groups`); ignored
IDR0 20 CTTW 14 14: table walks are coherent (`coherent_walk`); a notice is logged if `dma-coherent` disagrees
IDR0 20 BTM 13 13: broadcast TLB maintenance; ignored, PTM is set
IDR0 20 NUMSIDB 12 9: bits of a stream ID (`stream_id_bits`); the size of stream indexing
IDR0 20 EXIDS 8 8: 16-bit stream IDs (`extended_stream_ids`); Linux then sets EXIDENABLE
IDR0 20 NUMSMRG 7 0: stream-matching groups (`stream_match_groups`); with 0 under SMS the probe fails; more devices \
than groups fail to attach
IDR1 24 PAGESIZE 31 31: 1: register pages of 64 KiB (`page_size`)
IDR1 24 NUMPAGENDXB 30 28: 2^(n+1) pages in each half (`register_pages`); a warning if the region in the device tree \
has another size
IDR1 24 HAFDBS 25 24: 2: hardware updates access flags and dirty states (`hardware_update`); unused
IDR1 24 NUMS2CB 23 16: banks with stage 2 only (`stage2_only_banks`); stage 1 domains take banks from here on; more \
than NUMCB fail the probe
IDR1 24 SMCD 15 15: conflicting stream matches are detected for certain; the model always does
IDR1 24 SSDTP 13 12: security determination table; there is none
IDR1 24 NUMSSDNDXB 11 8: bits of an index into it, less one
IDR1 24 NUMCB 7 0: context banks (`context_banks`); as many domains
IDR2 28 EXNUMSMRG 26 16: extended groups; ignored
IDR2 28 HADS 28 28: attributes of table descriptors can be disabled (`hierarchy_disable`); unused
IDR2 28 VMID16S 15 15: 16-bit VMIDs (`vmid16`); Linux then sets VMID16EN and writes CBA2R.VMID16
IDR2 28 PTFSv8_64kB 14 14: granule of 64 KiB (`granule_64k`); SMMUv1 does not show it, MMU-401 has it
IDR2 28 PTFSv8_16kB 13 13: granule of 16 KiB (`granule_16k`)
IDR2 28 PTFSv8_4kB 12 12: granule of 4 KiB (`granule_4k`); of the three Linux takes its own page size, else a smaller \
one
IDR2 28 UBS 11 8: bits of a bus address (`bus_bits`): 0 to 4 are 32, 36, 40, 42, 44, which TCR2.SEP = 7 extends with \
zeros; 5 is 49, of which Linux uses 48 for stage 1
IDR2 28 OAS 7 4: bits of a physical address: 0 to 5 are 32, 36, 40, 42, 44, 48 (`address_bits`); the limit of stage \
2's output, and of DMA masks of table walks
IDR2 28 IAS 3 0: bits of an intermediate address, as OAS (`input_bits`); the output of stage 1 and input of stage 2
sCR0 0 SMCFCFG 21 21: 1: a stream match conflict faults, whatever is written (`conflict_faults`)
IDR7 3c MAJOR 7 4: 2 and later: `sACR.CACHE_LOCK` guards `CBn_ACTLR`; `arm,mmu-500` clears it
IDR7 3c MINOR 3 0: revision
";

fn word(smmu: &mut Smmu, offset: u64) -> u32 {
    let mut data = [0; 4];
    smmu.read(&mut Host::new(), offset, &mut data);
    u32::from_le_bytes(data)
}

/// A line of a table.
fn line(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<_> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}

fn row(smmus: &mut [Smmu], field: &str) -> String {
    let (place, meaning) = field.split_once(": ").expect("a colon before the meaning");
    let [register, offset, name, high, low] = place
        .split_whitespace()
        .collect::<Vec<_>>()
        .try_into()
        .expect("five words before the colon");
    let offset = u64::from_str_radix(offset, 16).expect("an offset");
    let bit = |text: &str| text.parse::<u32>().expect("a bit");
    let (high, low) = (bit(high), bit(low));
    let values = smmus.iter_mut().map(|smmu| {
        let value = u64::from(word(smmu, offset)) >> low;
        (value & ((1 << (high - low + 1)) - 1)).to_string()
    });
    let cells = core::iter::once(format!("{register}.{name}"))
        .chain(values)
        .chain([meaning.to_owned()]);
    line(cells)
}

#[test]
fn presets_documentation_is_current() {
    let mut smmus = Preset::ALL
        .map(|preset| Smmu::new(&Config::from(preset), Plan::default()).expect("presets are valid"));
    let names = Preset::ALL.map(|preset| preset.name().to_owned());
    let mut text = String::from(HEAD);
    let head = ["field".to_owned()].into_iter().chain(names);
    text.push_str(&line(head.chain(["what follows".to_owned()])));
    text.push_str(&line(vec!["---".to_owned(); Preset::ALL.len() + 2]));
    for (register, offset) in [("IDR0", 0x20), ("IDR1", 0x24), ("IDR2", 0x28), ("IDR7", 0x3c)] {
        let values = smmus
            .iter_mut()
            .map(|smmu| format!("`{:08x}`", word(smmu, offset)))
            .collect::<Vec<_>>();
        text.push_str(&line(
            [register.to_owned()]
                .into_iter()
                .chain(values)
                .chain([String::from("the whole register")]),
        ));
    }
    let space = smmus.iter().map(|smmu| smmu.geometry().register_space() >> 10);
    text.push_str(&line(
        [String::from("registers")]
            .into_iter()
            .chain(space.map(|kib| format!("{kib} KiB")))
            .chain([String::from("size of the region in the device tree")]),
    ));
    for field in FIELDS.trim().lines() {
        text.push_str(&row(&mut smmus, field));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/presets.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs/presets.md can be written");
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        file == text,
        "docs/presets.md is out of date: UPDATE_DOCS=1 cargo test -p smmu-emu --test presets_documentation"
    );
}
