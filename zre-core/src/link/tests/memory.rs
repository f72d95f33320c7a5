//! What a connection holds, and what it uses again.

use super::*;

#[test]
fn pings_without_reading_the_pongs_do_not_grow_the_write_buffer() {
    let mut router = open_router();
    let ping = frame(COMMAND, &[b"\x04PING\0\0", &[9; 16][..]].concat());
    for _ in 0..100 {
        feed(&mut router, &ping.repeat(1000)).unwrap();
    }
    assert!(router.queued() < 16 << 10, "{} bytes", router.queued());
    written(&mut router);
    feed(&mut router, &ping).unwrap();
    assert!(router.queued() > 0, "who reads again is answered again");
}

#[test]
fn what_is_announced_reserves_nothing() {
    let mut router = open_router();
    let mut head = vec![LONG];
    head.put_u64(Limits::default().message_size as u64);
    feed(&mut router, &frame(MORE, b"first")).unwrap();
    feed(&mut router, &head).unwrap();
    for sent in 0..20 {
        assert!(router.input.capacity() <= 256 << 10, "after {sent} bytes");
        feed(&mut router, b"x").unwrap();
    }
    for _ in 0..16 {
        feed(&mut router, &[0; 64 << 10]).unwrap();
    }
    let capacity = router.input.capacity();
    assert!(capacity <= 4 << 20, "{capacity} for one MiB that came");
}

#[test]
fn the_memory_of_a_large_frame_is_used_again_when_nobody_holds_it() {
    let mut router = open_router();
    let mut next = |fill: u8| -> Bytes {
        let bytes = [frame(MORE, b"first"), frame(0, &vec![fill; 60_000])].concat();
        let mut events = feed(&mut router, &bytes).unwrap();
        match events.pop() {
            Some(LinkEvent::Message(message)) => message.rest.frames()[0].clone(),
            other => panic!("{other:?}"),
        }
    };
    let mut reused = 0;
    let held = next(1);
    let mut last = next(2).as_ptr() as usize;
    for fill in 3..100 {
        let frame = next(fill);
        assert_eq!(frame, vec![fill; 60_000]);
        let place = frame.as_ptr() as usize;
        reused += u32::from(place.abs_diff(last) < 100);
        last = place;
    }
    assert_eq!(held, vec![1; 60_000], "what is held stays as it is");
    assert!(reused > 40, "used again {reused} times");
}

#[test]
fn connections_that_lend_each_other_memory_read_what_they_would_alone() {
    let sizes = [1, 5000, 20, 3, 70_000, 0, 4096, 4097, 700];
    let byte = |number: usize| number.to_le_bytes()[0];
    let mut bytes = Vec::new();
    for (number, size) in sizes.into_iter().enumerate() {
        bytes.extend(frame(MORE, &vec![byte(number); size]));
        bytes.extend(frame(COMMAND, b"\x01X"));
    }
    bytes.extend(frame(0, b"last"));
    let bytes = bytes.repeat(3);
    let alone = feed(&mut open_router(), &bytes).unwrap();
    assert_eq!(alone.len(), 3);
    for piece in [1, 61, 4093, 66_000, usize::MAX] {
        let (mut one, mut other, mut spare) = (open_router(), open_router(), LinkMemory::default());
        let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
        for now in bytes.chunks(piece) {
            for (link, events) in [(&mut one, &mut of_one), (&mut other, &mut of_other)] {
                link.borrow_memory(&mut spare);
                events.extend(feed(link, now).unwrap());
                link.return_memory(&mut spare);
            }
        }
        assert!(of_one == alone && of_other == alone, "pieces of {piece}");
    }
}

#[test]
fn the_start_of_a_small_frame_does_not_keep_the_lent_memory() {
    let (mut link, mut spare) = (open_router(), LinkMemory::default());
    for rest in [100, 2000] {
        for _ in 0..3 {
            link.borrow_memory(&mut spare);
            assert!(link.read_buffer().len() > 60 << 10, "{rest}");
            let bytes = frame(0, &vec![1; 2 * rest]);
            feed(&mut link, &bytes[..rest]).unwrap();
            link.return_memory(&mut spare);
            assert_eq!(link.unfinished(), rest);
            link.borrow_memory(&mut spare);
            feed(&mut link, &bytes[rest..]).unwrap();
            link.return_memory(&mut spare);
        }
    }
}

#[test]
fn a_large_frame_has_memory_of_its_own_when_enough_of_it_has_come() {
    let (mut link, mut spare) = (open_router(), LinkMemory::default());
    let mut read = |link: &mut Link, bytes: &[u8]| {
        link.borrow_memory(&mut spare);
        feed(link, bytes).unwrap();
        link.return_memory(&mut spare);
        link.unfinished()
    };
    let bytes = [frame(MORE, b"first"), frame(0, &[1; 1 << 20])].concat();
    for byte in bytes[..1000].chunks(1) {
        let held = read(&mut link, byte);
        assert!(held < 2000, "{held} for so little");
    }
    read(&mut link, &bytes[1000..70_000]);
    let room = link.read_buffer().len();
    assert!(room >= 32 << 10, "{room}");
    let held = link.unfinished();
    assert!(
        held <= 2 * 70_000 + 100,
        "{held}, no more than twice what came"
    );
}

#[test]
fn the_memory_of_a_huge_frame_is_not_used_for_a_small_one() {
    let mut router = open_router();
    let bytes = [frame(MORE, b"first"), frame(0, &vec![1; 4 << 20])].concat();
    feed(&mut router, &bytes).unwrap();
    feed(&mut router, &frame(MORE, b"first")).unwrap();
    let capacity = router.input.capacity();
    assert!(capacity <= 256 << 10, "{capacity}");
}

#[test]
fn a_small_frame_that_is_kept_keeps_its_own_size_whatever_comes_beside_it() {
    let mut router = open_router();
    let mut bytes = frame(MORE, b"");
    for _ in 0..1000 {
        bytes.extend(frame(MORE, &[1; 20]));
        bytes.extend(frame(COMMAND, b"\x01X"));
        bytes.extend(frame(MORE, &[2; 5000]));
    }
    bytes.extend(frame(0, b"last"));
    let mut events = feed(&mut router, &bytes).unwrap();
    let Some(LinkEvent::Message(message)) = events.pop() else {
        panic!("{events:?}");
    };
    let small = message.rest.frames().iter().filter(|it| it.len() == 20);
    let places: Vec<_> = small.map(|it| it.as_ptr() as usize).collect();
    let apart = places.windows(2).filter(|two| two[0] + 20 != two[1]);
    assert!(apart.count() <= 1000 * 20 / 4000, "they lie side by side");
}

#[test]
fn there_is_always_room_to_read() {
    let mut router = open_router();
    for size in [0, 1, 4095, 65_535, 65_536, 300_000] {
        for byte in frame(0, &vec![5; size]).chunks(8191) {
            assert!(!router.read_buffer().is_empty());
            feed(&mut router, byte).unwrap();
        }
    }
}
