// SPDX-License-Identifier: GPL-2.0

//! Arguments of events, on cases and on seeded random lines.

use rkprobes_host::arguments;

#[path = "arguments/cases.rs"]
mod cases;
#[path = "arguments/hit.rs"]
mod hit;
#[path = "arguments/lines.rs"]
mod lines;
#[path = "common/random.rs"]
mod random;

use arguments::{KernelFacts, KernelTypes};
use random::Random;
use rkprobes_host::heap::Heap;

const GOOD: [&[u8]; 12] = [
    b"%di %si",
    b"a=%di:u8 b=$stack3:s16 c=+0(%cx):string",
    b"$arg1:%pd f=$arg2:%pD",
    b"comm=$comm text=\\\"text\" n=\\-12:s64",
    b"@jiffies @jiffies+0x10:x32 @a.b-8:char @0xffff888000001000:symbol",
    b"+0(+8(+0x10(%di))):ustring -u4(%si):b3@4/8",
    b"v=+0(%di):u16[4] w=+0(%di):string[3] x=+8(%si):b4@4/8[2]",
    b"%ip:symstr +0(%sp):symstr",
    b"$current this_cpu_read(@jiffies):u32 this_cpu_ptr(@a.b)",
    b"+0(%di):string +0(%si):string $comm",
    b"",
    b"+0x0(+0(+0(+0(+0(+0(+0(+0(%di))))))))",
];

const WORDS: [&[u8]; 40] = [
    b"%di",
    b"%si",
    b"$stack",
    b"$arg",
    b"$comm",
    b"@jiffies",
    b"@a.b",
    b"\\",
    b"\"",
    b"+0(",
    b"-8(",
    b"+u4(",
    b")",
    b":",
    b"=",
    b"a",
    b"9",
    b"0x",
    b"u8",
    b"s16",
    b"x64",
    b"char",
    b"string",
    b"ustring",
    b"symbol",
    b"symstr",
    b"b4@4/8",
    b"[",
    b"]",
    b"3",
    b" ",
    b"\t",
    b"this_cpu_ptr(",
    b"this_cpu_read(",
    b":%pd",
    b"18446744073709551616",
    b"0x7fffffff",
    b"\xff",
    b"\0",
    b"$current",
];

/// The facts of [`hit::Facts`], with all symbols 16 bytes later.
struct Moved;

impl arguments::KernelFacts for Moved {
    fn symbol(&self, name: &[u8]) -> Option<u64> {
        Some(hit::Facts.symbol(name)? + 16)
    }

    fn stack_size(&self) -> u64 {
        hit::Facts.stack_size()
    }

    fn dentry_name(&self) -> i32 {
        hit::Facts.dentry_name()
    }

    fn file_dentry(&self) -> i32 {
        hit::Facts.file_dentry()
    }

    fn function(&self) -> Option<((), u32)> {
        hit::Facts.function()
    }
}

impl KernelTypes for Moved {
    type Set = ();

    fn find(&self, kind: u32, name: &[u8]) -> Option<((), u32)> {
        hit::Facts.find(kind, name)
    }

    fn bytes(&self, (): (), number: u32) -> Option<&[u8]> {
        hit::Facts.bytes((), number)
    }

    fn name(&self, (): (), offset: u32) -> Option<&[u8]> {
        hit::Facts.name((), offset)
    }
}

#[test]
fn symbols_that_have_moved() {
    use arguments::{Arguments, ProbePlace};
    fn parse(line: &[u8], facts: &impl KernelFacts) -> Arguments<Heap> {
        Arguments::parse(line, 0, ProbePlace::Entry, facts).expect("a good line")
    }
    for line in GOOD {
        let before = parse(line, &hit::Facts);
        assert!(before.is_same(&parse(line, &hit::Facts)));
        let has_symbol = line.windows(2).any(|pair| matches!(pair, b"@j" | b"@a"));
        assert_eq!(before.is_same(&parse(line, &Moved)), !has_symbol);
    }
    let (one, two) = (parse(b"%di", &hit::Facts), parse(b"%di %si", &hit::Facts));
    assert!(!one.is_same(&two) && !two.is_same(&one));
}

/// Damages a line at some places.
fn damage(random: &mut Random, line: &mut Vec<u8>) {
    for _ in 0..random.below(4) {
        let at = random.below(line.len() + 1);
        let end = at + random.below(line.len() - at + 1);
        match random.below(6) {
            0 if at < line.len() => line[at] ^= 1 << random.below(8),
            1 => {
                line.drain(at..end);
            }
            2 => line.extend_from_within(at..end),
            _ => {
                line.splice(at..at, random.pick(&WORDS).iter().copied());
            }
        }
    }
}

#[test]
fn random_lines() {
    const COUNT: usize = 100_000;
    let mut random = Random::new(1);
    let mut accepted = 0;
    for _ in 0..COUNT {
        let mut line = Vec::new();
        for _ in 0..=random.below(3) {
            line.extend_from_slice(random.pick(&GOOD));
            line.push(b' ');
        }
        damage(&mut random, &mut line);
        accepted += usize::from(lines::check(&line));
    }
    println!("{COUNT} lines, {accepted} accepted");
    // Many lines must be accepted and many refused, or the lines test nothing.
    assert!((COUNT / 10..COUNT * 9 / 10).contains(&accepted));
}
