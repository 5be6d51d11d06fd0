// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Guest memory through a stream, as rust-vmm's virtio-queue uses it.

use smmu_emu::testing::fields::{cba2r, cbar, s2cr, sctlr, smr, tcr2, tcr64};
use smmu_emu::testing::{Guest, Host, Locate};
use smmu_emu::{Config, Intent, Plan, Preset, Refused, Response, Smmu, SmmuHandle, Tbu, TlbMode, View};
use virtio_queue::{Queue, QueueT, Reader, Writer};
use vm_memory::{
    Bytes, GuestAddress, GuestMemory, GuestMemoryBackend, GuestMemoryError, GuestMemoryMmap, Permissions,
};

/// A host with a VMM's guest memory.
type VmmHost = Host<Guest<GuestMemoryMmap>>;

/// The first of four tables in a row; the last serves bus addresses below 2 MiB.
const TABLES: u64 = 0x4000_0000;
const SCTLR: (&str, u64) = ("CBn_SCTLR", 0);
const FSR: (&str, u64) = ("CBn_FSR", 0);
const FAR: (&str, u64) = ("CBn_FAR", 0);
const TLBIALL: (&str, u64) = ("CBn_TLBIALL", 0);
const SYNC: &str = "sTLBGSYNC";
const STATUS: &str = "sTLBGSTATUS";
const ABORTS: u32 = sctlr::CFIE | sctlr::CFRE | sctlr::M;

/// Addresses of the parts of the queue on the bus.
const DESCRIPTORS: u64 = 0x10_0000;
const AVAILABLE: u64 = 0x10_1000;
const USED: u64 = 0x10_2000;

/// Neighbouring pages of the bus lie in different regions, and in each region backwards.
fn scattered(page: u64) -> u64 {
    let region = if page & 1 == 0 { 0x4010_0000 } else { 0x5000_0000 };
    region + (0xff - (page & 0xff)) * 0x1000
}

struct World {
    host: VmmHost,
    smmu: SmmuHandle,
    tbu: Tbu,
}

impl World {
    /// Stream 5 goes to bank 0, which maps bus addresses from 1 MiB to 2 MiB.
    fn new() -> Self {
        let ranges = [
            (GuestAddress(TABLES), 0x20_0000),
            (GuestAddress(0x5000_0000), 0x10_0000),
        ];
        let host = Host::with(Guest(GuestMemoryMmap::from_ranges(&ranges).expect("memory")));
        for level in 0..3 {
            let next = (TABLES + 0x1000 * (level + 1)) | 3;
            host.memory
                .0
                .write_obj(next, GuestAddress(TABLES + 0x1000 * level))
                .expect("RAM");
        }
        let mut config = Config::from(Preset::Generic);
        config.tlb = Some(TlbMode::StrictStale);
        let smmu = Smmu::new(&config, Plan::default()).expect("a preset");
        let smmu = SmmuHandle::new(smmu);
        let tbu = Tbu::new(&smmu);
        let mut world = Self { host, smmu, tbu };
        for (register, value) in [
            ("CBA2Rn", cba2r::VA64),
            ("CBARn", cbar::KIND(1)),
            ("CBn_TCR2", tcr2::PASIZE(5)),
            ("CBn_TCR", tcr64::EPD1 | tcr64::T0SZ(16)),
            ("CBn_TTBR0", 0x4000_0000),
            ("CBn_SCTLR", ABORTS),
            ("SMRn", smr::VALID | smr::ID(5)),
            ("S2CRn", s2cr::CBNDX(0)),
            ("sCR0", 0),
        ] {
            world.w((register, 0), value);
        }
        for page in 0x100..0x200 {
            world.map(page, true);
        }
        world
    }

    fn map(&mut self, page: u64, writable: bool) {
        // nG, AF, AP.
        let read_only = u64::from(!writable) << 7;
        self.entry(page, scattered(page) | 1 << 11 | 1 << 10 | read_only | 1 << 6 | 3);
    }

    fn entry(&mut self, page: u64, descriptor: u64) {
        let at = GuestAddress(TABLES + 0x3000 + page * 8);
        self.host.memory.0.write_obj(descriptor, at).expect("RAM");
    }

    fn w(&mut self, register: impl Locate, value: u32) {
        let mut smmu = self.smmu.lock();
        let offset = register.locate(smmu.geometry());
        smmu.write(&mut self.host, offset, &value.to_le_bytes());
    }

    fn r(&mut self, register: impl Locate) -> u32 {
        let mut data = [0; 4];
        let mut smmu = self.smmu.lock();
        let offset = register.locate(smmu.geometry());
        smmu.read(&mut self.host, offset, &mut data);
        u32::from_le_bytes(data)
    }

    /// Puts bytes where the bus address leads by design, without the SMMU.
    fn place(&self, address: u64, bytes: &[u8]) {
        for (at, byte) in (address..).zip(bytes) {
            let physical = GuestAddress(scattered(at >> 12) | at & 0xfff);
            self.host.memory.0.write_obj(*byte, physical).expect("RAM");
        }
    }

    fn at(&self, address: u64, length: u64) -> Vec<u8> {
        let byte = |at: u64| {
            self.host
                .memory
                .0
                .read_obj(GuestAddress(scattered(at >> 12) | at & 0xfff))
        };
        (address..address + length)
            .map(|at| byte(at).expect("RAM"))
            .collect()
    }

    fn descriptor(&self, table: u64, index: u16, address: u64, length: u32, flags: u16) {
        let mut bytes = address.to_le_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend((index + 1).to_le_bytes());
        self.place(table + 16 * u64::from(index), &bytes);
    }

    /// Makes the chain that begins with descriptor 0 available.
    fn queue(&self) -> Queue {
        self.place(AVAILABLE, &[0, 0, 1, 0, 0, 0]);
        let mut queue = Queue::new(16).expect("a size");
        for (set, address) in [
            (
                Queue::try_set_desc_table_address as fn(&mut Queue, _) -> _,
                DESCRIPTORS,
            ),
            (Queue::try_set_avail_ring_address, AVAILABLE),
            (Queue::try_set_used_ring_address, USED),
        ] {
            set(&mut queue, GuestAddress(address)).expect("an aligned address");
        }
        queue.set_ready(true);
        queue
    }
}

/// The view of stream 5.
fn view<'a>(
    tbu: &'a mut Tbu,
    env: &'a mut VmmHost,
    memory: &'a GuestMemoryMmap,
) -> View<'a, GuestMemoryMmap> {
    View::new(tbu, env, memory, 5, Intent::default())
}

fn refused(error: &GuestMemoryError) -> Option<Refused> {
    let GuestMemoryError::IOError(error) = error else {
        return None;
    };
    error.get_ref()?.downcast_ref().copied()
}

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// Reads the request, writes it in reverse as the answer, and uses the chain.
fn serve(world: &mut World, queue: &mut Queue) {
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let view = view(&mut world.tbu, &mut env, &memory);
    assert!(queue.is_valid(&view));
    let chain = queue.pop_descriptor_chain(&view).expect("a chain");
    let mut request = vec![0; 0x600];
    let mut reader: Reader = Reader::new(&view, chain.clone()).expect("readable");
    std::io::Read::read_exact(&mut reader, &mut request).expect("long enough");
    request.reverse();
    let mut writer: Writer = Writer::new(&view, chain.clone()).expect("writable");
    std::io::Write::write_all(&mut writer, &request).expect("long enough");
    queue
        .add_used(&view, chain.head_index(), 0x600)
        .expect("the used ring");
}

fn request() -> Vec<u8> {
    (0..0x600_u32).map(|n| n.to_le_bytes()[0] ^ 0x5a).collect()
}

fn check_answer(world: &World) {
    let mut answer = world.at(0x12_0e00, 0x600);
    answer.reverse();
    assert_eq!(answer, request());
    // Index 1; element: chain 0, 0x600 bytes.
    assert_eq!(world.at(USED, 12), [0, 0, 1, 0, 0, 0, 0, 0, 0, 6, 0, 0]);
}

#[test]
fn a_chain_with_buffers_on_scattered_pages() {
    let mut world = World::new();
    world.place(0x11_0f00, &request()[..0x400]);
    world.place(0x13_0000, &request()[0x400..]);
    world.descriptor(DESCRIPTORS, 0, 0x11_0f00, 0x400, NEXT);
    world.descriptor(DESCRIPTORS, 1, 0x13_0000, 0x200, NEXT);
    world.descriptor(DESCRIPTORS, 2, 0x12_0e00, 0x1400, WRITE);
    let mut queue = world.queue();
    serve(&mut world, &mut queue);
    check_answer(&world);
}

#[test]
fn an_indirect_table_across_two_pages() {
    let mut world = World::new();
    world.place(0x11_0f00, &request());
    world.descriptor(DESCRIPTORS, 0, 0x10_3ff8, 32, INDIRECT);
    world.descriptor(0x10_3ff8, 0, 0x11_0f00, 0x600, NEXT);
    world.descriptor(0x10_3ff8, 1, 0x12_0e00, 0x600, WRITE);
    let mut queue = world.queue();
    serve(&mut world, &mut queue);
    check_answer(&world);
}

/// Fault bits of FSR: TF and nothing else, at the page that is not mapped.
fn check_fault(world: &mut World) {
    assert_eq!(world.r(FSR) & 0xc000_01ff, 2);
    assert_eq!(world.r(FAR), 0x11_2000);
}

#[test]
fn a_fault_in_the_middle_ends_the_request() {
    let mut world = World::new();
    world.descriptor(DESCRIPTORS, 0, 0x11_0f00, 0x2400, 0);
    world.entry(0x112, 0);
    let mut queue = world.queue();
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let seen = view(&mut world.tbu, &mut env, &memory);
    let chain = queue.pop_descriptor_chain(&seen).expect("a chain");
    assert!(Reader::<()>::new(&seen, chain).is_err());
    drop(seen);
    check_fault(&mut world);
}

#[test]
fn a_fault_is_taken_where_the_slices_reach_it() {
    let mut world = World::new();
    world.entry(0x112, 0);
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let mut tbu = Tbu::new(&world.smmu);
    let seen = view(&mut tbu, &mut env, &memory);
    let mut slices = seen
        .get_slices(GuestAddress(0x11_0f00), 0x2400, Permissions::Read)
        .expect("lazy");
    assert_eq!(slices.next().expect("one").expect("mapped").len(), 0x100);
    assert_eq!(slices.next().expect("two").expect("mapped").len(), 0x1000);
    assert_eq!(world.r(FSR) & 0xc000_01ff, 0);
    let error = slices.next().expect("three").expect_err("not mapped");
    assert_eq!(refused(&error), Some(Refused::Aborted));
    assert!(slices.next().is_none());
    check_fault(&mut world);
    assert!(!seen.is_stalled());
}

#[test]
fn a_view_knows_that_a_fault_blocks_its_stream() {
    let mut world = World::new();
    world.entry(0x112, 0);
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let mut tbu = Tbu::new(&world.smmu);
    let seen = view(&mut tbu, &mut env, &memory);
    assert!(!seen.is_blocked());
    assert!(seen.read_obj::<u8>(GuestAddress(0x11_2000)).is_err());
    assert!(seen.is_blocked());
    // HUPCF: the fault stays, and others pass.
    world.w(SCTLR, ABORTS | sctlr::HUPCF);
    assert!(!seen.is_blocked());
    world.w(SCTLR, ABORTS);
    assert!(seen.is_blocked());
    check_fault(&mut world);
    world.w(FSR, 2);
    assert!(!seen.is_blocked());
}

#[test]
fn accesses_that_write_need_the_right_to() {
    let mut world = World::new();
    world.map(0x110, false);
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let view = view(&mut world.tbu, &mut env, &memory);
    let first = |access| {
        let mut slices = view.get_slices(GuestAddress(0x11_0000), 8, access).expect("lazy");
        slices.next().expect("one").map(|slice| slice.len())
    };
    for (access, allowed) in [
        (Permissions::No, true),
        (Permissions::Read, true),
        (Permissions::Write, false),
        (Permissions::ReadWrite, false),
    ] {
        assert_eq!(first(access).is_ok(), allowed, "{access:?}");
        assert_eq!(view.check_range(GuestAddress(0x11_0000), 8, access), allowed);
    }
    assert!(
        matches!(view.write_obj(1_u32, GuestAddress(0x11_0000)), Err(error)
        if refused(&error) == Some(Refused::Aborted))
    );
}

#[test]
fn a_check_of_a_range_records_nothing_and_keeps_nothing() {
    let mut world = World::new();
    world.entry(0x112, 0);
    world.place(0x11_0000, &[1]);
    world.place(0x13_0000, &[2]);
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let seen = view(&mut world.tbu, &mut env, &memory);
    let ask = |address, length| seen.check_range(GuestAddress(address), length, Permissions::ReadWrite);
    assert!(ask(0x11_0000, 0x2000));
    assert!(!ask(0x11_0000, 0x2001), "page 112");
    assert!(ask(0x11_0000, 0) && ask(u64::MAX, 0));
    assert!(!ask(0x11_0000, usize::MAX) && !ask(u64::MAX, 2));
    drop(seen);
    assert_eq!(world.r(FSR) & 0xc000_01ff, 0);
    // A page beyond all memory.
    world.entry(0x113, 0x7000_0000 | 1 << 11 | 1 << 10 | 1 << 6 | 3);
    // Without an invalidation: the check has left nothing in the TLB, which would be used for ever.
    world.entry(0x110, scattered(0x130) | 1 << 11 | 1 << 10 | 1 << 6 | 3);
    let seen = view(&mut world.tbu, &mut env, &memory);
    assert!(!seen.check_range(GuestAddress(0x11_3000), 1, Permissions::Read));
    assert_eq!(seen.read_obj::<u8>(GuestAddress(0x11_0000)).expect("mapped"), 2);
}

#[test]
fn a_synchronisation_waits_for_the_view() {
    let mut world = World::new();
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let mut tbu = Tbu::new(&world.smmu);
    let seen = view(&mut tbu, &mut env, &memory);
    let slice = seen
        .get_slices(GuestAddress(0x11_0000), 8, Permissions::Write)
        .expect("lazy")
        .next();
    world.entry(0x110, 0);
    world.w(TLBIALL, 0);
    world.w(SYNC, 0);
    assert_eq!(world.r(STATUS), 1);
    // A write has been translated and may go on; a read has not.
    assert!(seen.read_obj::<u8>(GuestAddress(0x11_0000)).is_err());
    assert!(slice.is_some_and(|slice| slice.is_ok()));
    assert_eq!(world.r(STATUS), 1);
    drop(seen);
    assert_eq!(world.r(STATUS), 0);
}

#[test]
fn a_stalled_access_is_refused_and_its_token_told() {
    let mut world = World::new();
    world.entry(0x110, 0);
    world.place(0x11_0000, &[9]);
    // CFCFG.
    world.w(SCTLR, ABORTS | sctlr::CFCFG);
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let mut tbu = Tbu::new(&world.smmu);
    let seen = view(&mut tbu, &mut env, &memory);
    let error = seen
        .read_obj::<u8>(GuestAddress(0x11_0000))
        .expect_err("it stalls");
    assert_eq!(refused(&error), Some(Refused::Stalled));
    let stall = seen.take_stall().expect("a token");
    drop(seen);
    // SS, TF; and no synchronisation waits for it.
    assert_eq!(world.r(FSR) & 0xc000_01ff, 0x4000_0002);
    world.w(SYNC, 0);
    assert_eq!(world.r(STATUS), 0);
    world.map(0x110, true);
    world.w(FSR, u32::MAX);
    world.w(("CBn_RESUME", 0), 0);
    let response = world.smmu.lock().resume(&mut world.host, stall);
    assert!(matches!(response, Response::Proceed(_)), "{response:?}");
    let again = view(&mut tbu, &mut env, &memory);
    assert_eq!(again.read_obj::<u8>(GuestAddress(0x11_0000)).expect("mapped"), 9);
}

#[test]
fn raz_wi_is_refused() {
    let mut world = World::new();
    world.entry(0x110, 0);
    // No CFRE.
    world.w(SCTLR, sctlr::M);
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let seen = view(&mut world.tbu, &mut env, &memory);
    let error = seen
        .read_obj::<u8>(GuestAddress(0x11_0000))
        .expect_err("no slice of zeros");
    assert_eq!(refused(&error), Some(Refused::Ignored));
}

#[test]
fn a_translation_to_where_no_memory_is_ends_in_an_error() {
    let mut world = World::new();
    world.entry(0x110, 0x7000_0000 | 1 << 11 | 1 << 10 | 1 << 6 | 3);
    assert!(
        world
            .host
            .memory
            .0
            .find_region(GuestAddress(0x7000_0000))
            .is_none()
    );
    let (memory, mut env) = (world.host.memory.0.clone(), world.host.clone());
    let seen = view(&mut world.tbu, &mut env, &memory);
    let error = seen.read_obj::<u8>(GuestAddress(0x11_0000));
    assert!(matches!(error, Err(GuestMemoryError::InvalidGuestAddress(_))));
}

/// An access may end with the address space, and not go beyond. Out of reset nothing is translated.
#[test]
fn the_last_page_of_the_address_space_is_like_the_others() {
    const LAST: u64 = u64::MAX - 0xfff;
    // Bypass has 48 bits of output.
    let place = GuestAddress(LAST & ((1 << 48) - 1));
    let memory = GuestMemoryMmap::from_ranges(&[(place, 0x1000)]).expect("memory");
    let mut host = Host::with(Guest(memory.clone()));
    let smmu = Smmu::new(&Config::default(), Plan::default()).expect("a preset");
    let mut tbu = Tbu::new(&SmmuHandle::new(smmu));
    let seen = view(&mut tbu, &mut host, &memory);
    let ask = |address, length| seen.check_range(GuestAddress(address), length, Permissions::ReadWrite);
    assert!(ask(LAST, 0x1000) && ask(u64::MAX, 1));
    assert!(!ask(LAST, 0x1001) && !ask(u64::MAX, 2));
    assert!(seen.write_slice(&[7; 0x1000], GuestAddress(LAST)).is_ok());
    assert!(seen.write_slice(&[7; 2], GuestAddress(u64::MAX)).is_err());
}
