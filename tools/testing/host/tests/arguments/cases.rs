// SPDX-License-Identifier: GPL-2.0

//! Arguments of events: what each form records, how it is described, and what is refused where.

use super::arguments::{
    ArgumentError, ArgumentRefusal, Arguments, ProbePlace, ARGUMENTS_MAX, FIXED_MAX, HEAD,
};
use super::hit::{
    self, compile, parse, parse_at, print_fmt, printed, record, shown, Hit, COMM, KERNEL, TASK,
    USER,
};
use rkprobes_host::eligibility::errno;
use rkprobes_host::heap::Heap;

/// The numbers of registers in `struct pt_regs`.
const NAMES: [&str; 21] = [
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
    "orig_ax", "ip", "cs", "flags", "sp", "ss",
];

const DI: usize = 14;
const SI: usize = 13;
const SP: usize = 19;

fn word(value: u64) -> [u8; 8] {
    value.to_le_bytes()
}

#[test]
pub fn registers() {
    let mut hit = Hit::new();
    for (number, name) in NAMES.iter().enumerate() {
        hit.regs[number] = 0x1000 + number as u64;
        let expected = format!(" arg1={:#x}", 0x1000 + number);
        assert_eq!(shown(&format!("%{name}"), &hit), expected);
    }
    assert_eq!(shown("$stack", &hit), shown("%sp", &hit));
}

#[test]
pub fn function_arguments() {
    let mut hit = Hit::new();
    hit.regs[SP] = KERNEL + 0x800;
    for (index, register) in ["di", "si", "dx", "cx", "r8", "r9"].iter().enumerate() {
        let number = NAMES.iter().position(|name| name == register);
        hit.regs[number.expect("a register")] = index as u64 + 1;
    }
    // The return address is at the stack pointer.
    for index in 0..4 {
        hit.write(KERNEL + 0x800 + index * 8, &word(0x60 + index));
    }
    for number in 1..=6 {
        assert_eq!(
            shown(&format!("a=$arg{number}:u8"), &hit),
            format!(" a={number}")
        );
    }
    assert_eq!(shown("$arg7 $arg8:x8", &hit), " arg1=0x61 arg2=0x62");
}

#[test]
pub fn stack() {
    let mut hit = Hit::new();
    hit.kernel = vec![0; 0x8000];
    // The stack's size is 0x4000, and it is aligned to its size.
    let top = (KERNEL + 0x4000) & !0x3fff;
    hit.regs[SP] = top + 0x4000 - 16;
    hit.write(top + 0x4000 - 16, &word(1));
    hit.write(top + 0x4000 - 8, &word(2));
    hit.write(top + 0x4000, &word(3));
    assert_eq!(
        shown("$stack0 $stack1 $stack2 $stack2048", &hit),
        " arg1=0x1 arg2=0x2 arg3=0x0 arg4=0x0"
    );
    hit.regs[SP] = 0x10;
    assert_eq!(shown("$stack0", &hit), " arg1=0x0");
}

#[test]
pub fn types() {
    let mut hit = Hit::new();
    hit.regs[DI] = 0xfedc_ba98_f6f5_f4f3;
    for (name, text) in [
        ("u8", "243"),
        ("u16", "62707"),
        ("u32", "4143314163"),
        ("u64", "18364758546651149555"),
        ("s8", "-13"),
        ("s16", "-2829"),
        ("s32", "-151653133"),
        ("s64", "-81985527058402061"),
        ("x8", "0xf3"),
        ("x16", "0xf4f3"),
        ("x32", "0xf6f5f4f3"),
        ("x64", "0xfedcba98f6f5f4f3"),
        ("symbol", "<fedcba98f6f5f4f3>"),
        ("b4@4/8", "15"),
        ("b4@0/0x10", "3"),
        ("b8@4/32", "79"),
        ("b64@0/64", "18364758546651149555"),
        ("b1@63/64", "1"),
        ("b1@56/64", "0"),
    ] {
        assert_eq!(shown(&format!("a=%di:{name}"), &hit), format!(" a={text}"));
    }
    hit.regs[DI] = 0x1241;
    assert_eq!(shown("%di:char", &hit), " arg1='A'");
}

#[test]
pub fn immediates() {
    let hit = Hit::new();
    for (text, value) in [
        ("0", "0x0"),
        ("12", "0xc"),
        ("0x1F", "0x1f"),
        ("010", "0x8"),
        ("-1", "0xffffffffffffffff"),
        ("+7", "0x7"),
        ("18446744073709551615", "0xffffffffffffffff"),
        ("-9223372036854775808", "0x8000000000000000"),
    ] {
        assert_eq!(shown(&format!("\\{text}"), &hit), format!(" arg1={value}"));
    }
}

#[test]
pub fn memory() {
    let mut hit = Hit::new();
    hit.write(KERNEL, &word(KERNEL + 0x40));
    hit.write(KERNEL + 0x40, &word(0x1122_3344_5566_7788));
    hit.write(KERNEL + 0x48, &word(0x99));
    hit.write(USER + 8, &word(0xabcd));
    hit.regs[DI] = KERNEL;
    hit.regs[SI] = USER;
    for (line, text) in [
        ("@jiffies", "0xffff888000001040"),
        ("@jiffies+0x40", "0x1122334455667788"),
        ("@a.b-0x40", "0xffff888000001040"),
        ("@a.b+8:u8", "153"),
        ("@0xffff888000001040:x32", "0x55667788"),
        ("+0(%di)", "0xffff888000001040"),
        ("+0(+0(%di))", "0x1122334455667788"),
        ("+4(+0(%di)):x16", "0x3344"),
        ("-8(+8(%di))", "0x0"),
        ("+0x8(@jiffies)", "0x99"),
        ("+u8(%si)", "0xabcd"),
        ("+u8(%si):x8", "0xcd"),
        ("-u0x10(\\0x7018)", "0xabcd"),
        ("+8(%si)", "0x0"),
        ("+u0(%di)", "0x0"),
        ("$current", "0xffff888000001200"),
        ("+0x10($current):u8", "99"),
        ("this_cpu_ptr(\\0x10)", "0x110"),
        ("this_cpu_ptr(@jiffies)", "0xffff888000001100"),
        ("this_cpu_read(\\0xffff888000000f40)", "0x1122334455667788"),
        ("this_cpu_read(@a.b-0x100):x8", "0x88"),
    ] {
        assert_eq!(
            shown(&format!("a={line}"), &hit),
            format!(" a={text}"),
            "{line}"
        );
    }
}

#[test]
pub fn strings() {
    let mut hit = Hit::new();
    hit.write(KERNEL + 0x100, b"hello\0");
    hit.write(KERNEL + 0x120, &word(KERNEL + 0x100));
    hit.write(KERNEL + 0x128, &word(1));
    hit.write(KERNEL + 0x130, &word(KERNEL + 0x105));
    hit.write(KERNEL + 0x138, &word(USER + 0x10));
    hit.write(KERNEL + 0xff8, &word(KERNEL + 0x100));
    hit.write(USER + 0x10, b"user\xff\0");
    hit.regs[DI] = KERNEL + 0x100;
    hit.regs[SI] = USER;
    for (line, text) in [
        ("+0(%di):string", "\"hello\""),
        ("+2(%di):string", "\"llo\""),
        ("+5(%di):string", "\"\""),
        ("+0(+0x20(%di)):string", "\"hello\""),
        ("+0(+0x28(%di)):string", "(fault)"),
        ("+0(%si):string", "(fault)"),
        ("+u0x10(%si):string", "\"user\u{fffd}\""),
        ("+u0x10(%si):ustring", "\"user\u{fffd}\""),
        ("+0x10(%si):ustring", "\"user\u{fffd}\""),
        ("@jiffies+0x100:string", "\"hello\""),
        ("\\0xffff888000001101:string", "\"ello\""),
        ("\\0x7010:ustring", "\"user\u{fffd}\""),
        ("$comm", "\"cat\""),
        ("$COMM:string", "\"cat\""),
        ("\\\"immediate\"", "\"immediate\""),
        ("\\\"\":string", "\"\""),
        ("%di:symstr", "\"sym_ffff888000001100+0x0/0x10\""),
        ("+0(@jiffies+0x120):symstr", "\"sym_6f6c6c6568+0x0/0x10\""),
        ("+0(\\1):symstr", "(fault)"),
        ("+0x20(%di):string[3]", "{\"hello\",(fault),\"\"}"),
        ("+0xef8(%di):string[3]", "{\"hello\",(fault),(fault)}"),
        ("+0x38(%di):ustring[1]", "{\"user\u{fffd}\"}"),
        ("+u0(%di):string[2]", "{(fault),(fault)}"),
    ] {
        assert_eq!(
            shown(&format!("a={line}"), &hit),
            format!(" a={text}"),
            "{line}"
        );
    }
    assert_eq!(COMM, TASK + 0x10);
}

/// The words of strings are offset and length, and the text follows the last value.
#[test]
pub fn places_of_strings() {
    let mut hit = Hit::new();
    hit.write(KERNEL, b"one\0");
    hit.write(KERNEL + 8, b"four\0");
    hit.regs[DI] = KERNEL;
    let arguments = compile("+0(%di):string \\1:u8 +0(\\1):string +8(%di):string");
    let bytes = record(&arguments, &hit, 4096);
    let mut expected = Vec::new();
    for (len, start) in [(4, 29), (0, 33), (5, 33)] {
        expected.extend_from_slice(&(len << 16 | start as u32).to_le_bytes());
        if len == 4 {
            expected.push(1);
        }
    }
    expected.extend_from_slice(b"one\0four\0");
    assert_eq!(bytes[HEAD..], expected);
    assert_eq!(
        printed(&arguments, &bytes),
        " arg1=\"one\" arg2=1 arg3=(fault) arg4=\"four\""
    );
}

#[test]
pub fn strings_without_room() {
    let mut hit = Hit::new();
    hit.write(KERNEL, b"0123456789\0");
    hit.regs[DI] = KERNEL;
    let line = "+0(%di):string $comm \\\"text\" %di:symstr";
    let arguments = compile(line);
    let fixed = HEAD + 16;
    assert_eq!(arguments.fixed_len(), fixed);
    for (room, text) in [
        (0, " arg1=(fault) arg2=(fault) arg3=(fault) arg4=(fault)"),
        (1, " arg1=\"\" arg2=(fault) arg3=(fault) arg4=(fault)"),
        (5, " arg1=\"0123\" arg2=(fault) arg3=(fault) arg4=(fault)"),
        (
            11,
            " arg1=\"0123456789\" arg2=(fault) arg3=(fault) arg4=(fault)",
        ),
        (
            13,
            " arg1=\"0123456789\" arg2=\"c\" arg3=(fault) arg4=(fault)",
        ),
        (
            18,
            " arg1=\"0123456789\" arg2=\"cat\" arg3=\"te\" arg4=(fault)",
        ),
        (
            24,
            " arg1=\"0123456789\" arg2=\"cat\" arg3=\"text\" arg4=\"sym\"",
        ),
    ] {
        let bytes = record(&arguments, &hit, fixed + room);
        assert_eq!(bytes.len(), fixed + room);
        assert_eq!(printed(&arguments, &bytes), text, "{room}");
    }
    assert_eq!(record(&arguments, &hit, fixed - 1), []);
    // A string has at most 4096 bytes.
    hit.kernel = vec![b'a'; 0x2000];
    let arguments = compile("+0(%di):string");
    assert_eq!(record(&arguments, &hit, 20000).len(), HEAD + 4 + 4096);
}

#[test]
pub fn arrays() {
    let mut hit = Hit::new();
    for (index, byte) in hit.kernel.iter_mut().take(16).enumerate() {
        *byte = 0x10 + index as u8;
    }
    hit.regs[DI] = KERNEL;
    let end = KERNEL + hit.kernel.len() as u64 - 2;
    for (line, text) in [
        ("+1(%di):u8[3]".to_string(), "{17,18,19}"),
        ("+0(%di):x16[2]".to_string(), "{0x1110,0x1312}"),
        ("+0(%di):b4@0/8[2]".to_string(), "{0,1}"),
        ("+0(%di):char[1]".to_string(), "{'\u{10}'}"),
        ("@jiffies:symbol[1]".to_string(), "{<1716151413121110>}"),
        (format!("@{end}:u8[4]"), "{0,0,0,0}"),
        ("+0(+0(%di)):s32[2]".to_string(), "{0,0}"),
    ] {
        assert_eq!(
            shown(&format!("a={line}"), &hit),
            format!(" a={text}"),
            "{line}"
        );
    }
}

/// A fault does not leave old bytes in the record.
#[test]
pub fn faults_are_zero() {
    let hit = Hit::new();
    let values = compile("+0(\\8):u16 +0(+0(\\8)) +0(+0(\\8)):b4@0/8 +0(\\8):u32[2]");
    let bytes = record(&values, &hit, 4096);
    assert_eq!(bytes[HEAD..], [0; 2 + 8 + 1 + 8]);
    let strings = compile("+0(\\8):string +0(\\8):string[2] +0(\\8):symstr");
    let bytes = record(&strings, &hit, 4096);
    // The length is 0, and the offset is where the next string would be.
    assert_eq!(bytes[HEAD..], [bytes.len() as u8, 0, 0, 0].repeat(4));
}

#[test]
pub fn names_of_dentries() {
    let mut hit = Hit::new();
    let (file, dentry) = (KERNEL + 0x300, KERNEL + 0x400);
    hit.write(file + 0x48, &word(dentry));
    hit.write(dentry + 0x28, &word(KERNEL + 0x500));
    hit.write(KERNEL + 0x500, b"passwd\0");
    hit.regs[DI] = file;
    hit.regs[SI] = dentry;
    assert_eq!(
        shown("$arg2:%pd n=$arg1:%pD", &hit),
        " arg1=\"passwd\" n=\"passwd\""
    );
    assert_eq!(shown("+0x48(%di):%pd", &hit), " arg1=\"passwd\"");
    assert_eq!(shown("$arg1:%pd", &hit), " arg1=(fault)");
}

#[test]
pub fn fields() {
    let arguments = compile("a=%di $comm c=+0(%si):s16[3] +0(%di):string[2] d=%cx:x8 s=%ip:symbol ch=%ax:char b=%ax:b3@2/16");
    let fields: Vec<_> = arguments
        .fields()
        .map(|field| {
            format!(
                "{} {};offset:{};size:{};signed:{} {}",
                field.c_type.to_str().expect("ASCII"),
                field.name.to_str().expect("ASCII"),
                field.offset,
                field.size,
                u8::from(field.is_signed),
                String::from_utf8_lossy(field.expression),
            )
        })
        .collect();
    assert_eq!(
        fields,
        [
            "u64 a;offset:16;size:8;signed:0 %di",
            "__data_loc char[] arg2;offset:24;size:4;signed:1 $comm",
            "s16[3] c;offset:28;size:6;signed:1 +0(%si):s16[3]",
            "__data_loc char[][2] arg4;offset:34;size:8;signed:1 +0(%di):string[2]",
            "u8 d;offset:42;size:1;signed:0 %cx:x8",
            "u64 s;offset:43;size:8;signed:0 %ip:symbol",
            "u8 ch;offset:51;size:1;signed:0 %ax:char",
            "u16 b;offset:52;size:2;signed:0 %ax:b3@2/16",
        ]
    );
    assert_eq!(arguments.fixed_len(), 54);
}

#[test]
pub fn print_formats() {
    for (line, text) in [
        ("", "\"(%lx)\", REC->__probe_ip"),
        (
            "%di b=%si:s32",
            "\"(%lx) arg1=0x%Lx b=%d\", REC->__probe_ip, REC->arg1, REC->b",
        ),
        (
            "%di:u8 %di:u64 %di:s64 %di:x8 %di:char %di:symbol",
            "\"(%lx) arg1=%u arg2=%Lu arg3=%Ld arg4=0x%x arg5='%c' arg6=%pS\", REC->__probe_ip, \
             REC->arg1, REC->arg2, REC->arg3, REC->arg4, REC->arg5, REC->arg6",
        ),
        (
            "n=$comm v=+0(%di):u16[3]",
            "\"(%lx) n=\\\"%s\\\" v={%u,%u,%u}\", REC->__probe_ip, __get_str(n), REC->v[0], \
             REC->v[1], REC->v[2]",
        ),
        (
            "+0(%di):string[2]",
            "\"(%lx) arg1={\\\"%s\\\",\\\"%s\\\"}\", REC->__probe_ip, __get_str(arg1[0]), \
             __get_str(arg1[1])",
        ),
    ] {
        assert_eq!(print_fmt(line), text, "{line}");
    }
}

/// A record that is too short, or has wrong words, is printed within its bounds.
#[test]
pub fn damaged_records() {
    let arguments = compile("%di:u8 $comm");
    let mut bytes = vec![0; HEAD];
    assert_eq!(printed(&arguments, &bytes), " arg1=0 arg2=(fault)");
    bytes.extend_from_slice(&[7, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(printed(&arguments, &bytes), " arg1=7 arg2=(fault)");
    bytes[HEAD + 1..].copy_from_slice(&(3_u32 << 16 | 21).to_le_bytes());
    bytes.extend_from_slice(b"abcd");
    assert_eq!(printed(&arguments, &bytes), " arg1=7 arg2=\"abc\"");
}

/// The refusal of a line, in which `^` marks the column.
fn refusal(marked: &str, place: ProbePlace) -> ArgumentRefusal {
    let column = marked.find('^').expect("a mark");
    let line = marked.replace('^', "");
    match parse(line.as_bytes(), place) {
        Ok(_) => panic!("{line:?} is accepted"),
        Err(ArgumentError {
            column: found,
            reason,
        }) => {
            assert_eq!(found, column, "{marked}: {reason:?}");
            reason
        }
    }
}

#[test]
pub fn refused_arguments() {
    use ArgumentRefusal::*;
    let deep = format!("{}^+0(%di){}", "+0(".repeat(8), ")".repeat(8));
    let long = format!("a=^\\{}", "0".repeat(255));
    let long_name = format!("^{}=%di", "a".repeat(33));
    for (marked, reason) in [
        ("^=%di", NoName),
        ("%di  ^=%di", NoName),
        (long_name.as_str(), NameTooLong),
        ("^a.b=%di", BadName),
        ("^9=%di", BadName),
        ("^a-b=%di", BadName),
        ("^\\\"a=b\"", BadName),
        ("a=%di ^a=%si", NameInUse),
        ("%di ^arg1=%si", NameInUse),
        ("arg2=%di ^%si", NameInUse),
        ("^common_pid=%di", NameInUse),
        ("^__probe_ip=%di", NameInUse),
        ("a=^", NoBody),
        ("a=^ %di", NoBody),
        (long.as_str(), TooLong),
        ("a=^&1", BadFetch),
        ("a=^:u8", BadFetch),
        ("+0(^)", BadFetch),
        ("+0(^:u8", BraceNotClosed),
        ("^$none", BadVariable),
        ("+0(^$none)", BadVariable),
        ("^$", BadVariable),
        ("^$comma", BadVariable),
        ("^$stackx", BadVariable),
        ("^$stack18446744073709551616", BadVariable),
        ("^$currently", BadVariable),
        ("^$arg", BadVariable),
        ("^$argx", BadVariable),
        ("^$stack2049", BadStackNumber),
        ("^$stack70000", BadStackNumber),
        ("^$arg0", BadArgumentNumber),
        ("^$arg10000", BadArgumentNumber),
        ("^$arg*", NoTypes),
        ("^$retval", NotAtReturn),
        ("a=^$retval->x", NotAtReturn),
        ("^%none", BadRegister),
        ("^%eax", BadRegister),
        ("^%rdi", BadRegister),
        ("^%", BadRegister),
        ("^@123abc", BadAddress),
        ("^@08", BadAddress),
        ("^@+10", FileOffset),
        ("@^none", UnknownSymbol),
        ("@^none+4", UnknownSymbol),
        ("@^", UnknownSymbol),
        ("@jiffies^+x", BadSymbolOffset),
        ("@jiffies^-", BadSymbolOffset),
        ("a=\\^x", BadImmediate),
        ("\\^", BadImmediate),
        ("\\^18446744073709551616", BadImmediate),
        ("\\^-9223372036854775809", BadImmediate),
        ("a=\\\"abcd^", StringNotClosed),
        ("\\\"^", StringNotClosed),
        ("^+0@0)", NoBrace),
        ("+0(^-4)", NoBrace),
        ("^+0ab1(@0)", BadOffset),
        ("^+(@0)", BadOffset),
        ("^-+8(@0)", BadOffset),
        ("^+u(@0)", BadOffset),
        ("^+0x80000000(@0)", BadOffset),
        ("^-0x80000001(@0)", BadOffset),
        ("+0(+0(@0^)", BraceNotClosed),
        ("this_cpu_ptr(@0^", BraceNotClosed),
        ("+0(@0)^x", TextAfterBrace),
        ("+0(+0(@0)^x)", TextAfterBrace),
        (deep.as_str(), TooManyNested),
        ("+0(^$comm)", StringDereferenced),
        ("+0(+0(^$comm))", StringDereferenced),
        ("+0(^\\\"a\")", StringDereferenced),
        ("this_cpu_read(^$COMM)", StringDereferenced),
        ("^$comm:%pd", StringDereferenced),
        ("@11:^unknown", BadType),
        ("@11:^", BadType),
        ("@11:^U8", BadType),
        ("@11:^u128", BadType),
        ("@11:^b1@1/7", BadType),
        ("@11:^b1", BadType),
        ("%di:^u8:%pd", BadType),
        ("$comm:^u8", NeedsStringType),
        ("$comm:^ustring", NeedsStringType),
        ("$comm:^string[2]", NeedsStringType),
        ("\\\"a:^b\"", NeedsStringType),
        ("$stack0:^string", NotInMemory),
        ("%di:^ustring", NotInMemory),
        ("%di:^u8[2]", NotInMemory),
        ("+u0(%di):^u8[2]", NotInMemory),
        ("+0(%di):^symstr[2]", NotInMemory),
        ("\\1:^string[2]", NotInMemory),
        ("this_cpu_ptr(%di):^string", NotInMemory),
        ("$stack:^symstr", BadSymbolString),
        ("\\1:^symstr", BadSymbolString),
        ("+u0(%di):^symstr", BadSymbolString),
        ("$current:^symstr", BadSymbolString),
        ("@11:^b10@a/16", BadBitField),
        ("@11:^b0@0/16", BadBitField),
        ("@11:^b9@0/8", BadBitField),
        ("@11:^b1@8/8", BadBitField),
        ("@11:^b18446744073709551615@1/8", BadBitField),
        ("@11:^b1@/8", BadBitField),
        ("+0(@11):u8[10^", ArrayNotClosed),
        ("+0(@11):u8[10]^a", TextAfterArray),
        ("+0(@11):u8[^10a]", BadArraySize),
        ("+0(@11):u8[^0]", BadArraySize),
        ("+0(@11):u8[^]", BadArraySize),
        ("+0(@11):u8[^65]", ArrayTooBig),
        ("+0(@11):u8[^256]", ArrayTooBig),
        ("^file", NoTypes),
        ("^file->f_mode", NoTypes),
        ("$current->^none", NoMember),
        ("$current->comm.^x", NoMember),
        ("$current->^pid->x", NoPointer),
        ("a=(task_struct)%di^", CastWithoutMember),
        ("a=(task_struct)(%di).pid^", CastWithoutMember),
        ("a=(task_struct)(+0(%di)->pid^", BraceNotClosed),
        ("a=(task_struct^", BraceNotClosed),
        ("a=(^none)%di->pid", NoStructure),
        ("a=(task_struct,^none)%di->pid", NoMember),
        ("a=(bits,^second)%di->plain", BadCast),
        ("a=(node,^next->pair)%di->pair", BadCast),
        ("a=(node)%di->^none", NoMember),
        ("a=(node)%di->pair.^none", NoMember),
        ("a=(node)%di->^pair->low", NoPointer),
        ("a=(node)%di->next->^none", NoMember),
        ("a=(node)%di->next->^", NoMember),
        ("a=(node)^%none->pair", BadRegister),
        ("a=(task_struct)^$comm->pid", StringDereferenced),
        ("a=(node)%di->mode:^string", NoText),
        ("a=(node)%di->next:^ustring", NoText),
    ] {
        assert_eq!(refusal(marked, ProbePlace::Entry), reason, "{marked}");
    }
    assert_eq!(refusal("^count", ProbePlace::Inside), NotAtEntry);
    assert_eq!(refusal("^$arg*", ProbePlace::Inside), NotAtEntry);
    assert_eq!(refusal("^count->x", ProbePlace::Entries), SeveralFunctions);
    assert_eq!(refusal("^$arg*", ProbePlace::Entries), SeveralFunctions);
    assert_eq!(refusal("^$arg1", ProbePlace::Inside), NotAtEntry);
    assert_eq!(refusal("a=+0(^$arg7)", ProbePlace::Inside), NotAtEntry);
}

/// The text of the record that a hit at the entry of a function makes.
fn shown_at(function: &'static str, line: &str, hit: &Hit) -> String {
    match parse_at(line.as_bytes(), function) {
        Ok(arguments) => printed(&arguments, &record(&arguments, hit, 4096)),
        Err(error) => panic!("{line:?}: {error:?}"),
    }
}

/// What a line at the entry of a function is refused for. `^` is before the error.
fn refusal_at(function: &'static str, marked: &str) -> ArgumentRefusal {
    let column = marked.find('^').expect("a mark");
    let line = marked.replace('^', "");
    let error = parse_at(line.as_bytes(), function).err().expect("an error");
    assert_eq!(error.column, column, "{marked}: {:?}", error.reason);
    error.reason
}

/// Registers and memory for the functions of the types.
fn typed_hit() -> Hit {
    let mut hit = Hit::new();
    hit.regs[DI] = KERNEL + 0x300;
    hit.regs[SI] = 7;
    hit.regs[12] = KERNEL + 0x500;
    hit.regs[11] = 0x1234;
    // The node at 0x300, and its next one at 0x400.
    hit.write(KERNEL + 0x300, &word(KERNEL + 0x400));
    hit.write(KERNEL + 0x308, &[1, 2, 0, 0, 0xfe, 0xff, 0, 0]);
    hit.write(KERNEL + 0x310, &word(KERNEL + 0x504));
    hit.write(KERNEL + 0x318, b"node name\0");
    hit.write(KERNEL + 0x328, &0xffff_ffff_u32.to_le_bytes());
    hit.write(KERNEL + 0x32c, &[0xfd, 0xaa, 0x33, 0x44, 9, 0, 0, 0]);
    hit.write(KERNEL + 0x338, &word(USER + 0x10));
    hit.write(KERNEL + 0x340, &word(64));
    hit.write(KERNEL + 0x408, &[5, 0, 0, 0]);
    hit.write(KERNEL + 0x500, b"the label\0");
    hit.write(USER + 0x10, b"user\0");
    hit.write(TASK + 8, &42_u32.to_le_bytes());
    hit
}

#[test]
pub fn names_of_parameters() {
    let hit = typed_hit();
    let node = "node=0xffff888000001300";
    for (line, text) in [
        ("count", "count=7"),
        ("c=count", "c=7"),
        ("count:x8", "count=0x7"),
        ("$arg2", "count=7"),
        ("$arg2:x16", "count=0x7"),
        ("c=$arg2", "c=0x7"),
        ("label:string", "label=\"the label\""),
        ("$arg3:string", "label=\"the label\""),
        ("label:ustring", "label=(fault)"),
        ("+4(label):string", "arg1=\"label\""),
        ("raw", "raw=0x1234"),
        ("raw:%pd", "arg1=(fault)"),
        ("$arg4:%pD", "arg1=(fault)"),
        ("$arg1", node),
        (
            "$arg*",
            "node=0xffff888000001300 count=7 label=0xffff888000001500 raw=0x1234",
        ),
        (
            "a=%si $arg* b=%si:u8",
            "a=0x7 node=0xffff888000001300 count=7 label=0xffff888000001500 raw=0x1234 b=7",
        ),
    ] {
        assert_eq!(shown_at("work", line, &hit), format!(" {text}"), "{line}");
    }
    // A name that is longer than the line.
    let long = "n".repeat(200);
    for line in ["$arg1", "$arg*", &format!("{long}:s32")] {
        assert!(shown_at("names", line, &hit).starts_with(&format!(" {long}=")));
    }
    assert_eq!(
        shown_at("names", "a=$arg1 b=short", &hit),
        " a=0xffff888000001300 b=7"
    );
    // A function without parameters, and one without a type.
    assert_eq!(
        shown_at("nothing", "$arg1", &hit),
        format!(" arg1={}", &node[5..])
    );
    assert_eq!(shown_at("unknown", "$arg2", &hit), " arg1=0x7");
}

#[test]
pub fn members() {
    let hit = typed_hit();
    for (line, text) in [
        ("node->next", "arg1=0xffff888000001400"),
        ("l=node->pair.low", "l=513"),
        ("node->pair.high", "arg1=-2"),
        ("node->pair.high:x16", "arg1=0xfffe"),
        ("node->next->pair.low", "arg1=5"),
        ("node->size", "arg1=64"),
        ("node->mode", "arg1=-1"),
        ("node->number", "arg1=-131391639513852"),
        ("node->text:string", "arg1=\"label\""),
        ("node->name:string", "arg1=\"node name\""),
        ("node->name:char[3]", "arg1={'n','o','d'}"),
        ("node->label:ustring", "arg1=\"user\""),
        ("node->label:string", "arg1=(fault)"),
        ("node->bits.first", "arg1=5"),
        ("node->bits.second", "arg1=5471"),
        ("node->bits.third", "arg1=51"),
        ("node->bits.plain", "arg1=9"),
        ("node->bits.third:x8", "arg1=0x33"),
        ("+8(node->next)", "arg1=0x5"),
        ("node->next->next->pair.low", "arg1=0"),
        ("$current->pid", "arg1=42"),
        ("$current->comm:string", "arg1=\"cat\""),
        ("(node)%di->size", "arg1=64"),
        ("(node)(+0(node))->pair.low", "arg1=5"),
        ("(node)+0(%di)->pair.low", "arg1=5"),
        ("(node)((node)%di->next)->pair.low", "arg1=5"),
        ("(node,pair)+0(%di)->next", "arg1=0x0"),
        ("(node,pair.high)%di->next", "arg1=0x0"),
        ("(pair)(node->next)->high", "arg1=0"),
        ("(mixed)%di->number", "arg1=-131391639514112"),
        ("+4((node)%di->text):string", "arg1=\"l\""),
    ] {
        assert_eq!(shown_at("work", line, &hit), format!(" {text}"), "{line}");
    }
    // A pointer to a member, back to the structure.
    let mut inner = typed_hit();
    inner.regs[DI] = KERNEL + 0x308;
    assert_eq!(shown("(node,pair)%di->size", &inner), " arg1=64");
    assert_eq!(shown("(node,pair)%di->next->pair.low", &inner), " arg1=5");
    inner.regs[DI] = KERNEL + 0x30c;
    assert_eq!(shown("(node,pair.high)%di->pair.low", &inner), " arg1=513");
}

#[test]
pub fn places_of_parameters() {
    let mut hit = Hit::new();
    hit.regs[SP] = KERNEL + 0x800;
    for (index, register) in ["di", "si", "dx", "cx", "r8", "r9"].iter().enumerate() {
        let number = NAMES.iter().position(|name| name == register);
        hit.regs[number.expect("a register")] = index as u64 + 1;
    }
    for index in 0..8 {
        hit.write(KERNEL + 0x800 + index * 8, &word(0x60 + index));
    }
    // The address of what is returned is in di. two_words needs two registers, and gets cx and r8.
    let at = |line| shown_at("values", line, &hit);
    assert_eq!(at("one"), " one=2");
    assert_eq!(at("small"), " small=0x3");
    assert_eq!(at("three"), " three=6");
    // too_late needs two registers, of which there is none. It and memory are on the stack.
    assert_eq!(at("last"), " last=99");
    assert_eq!(at("after"), " after=103");
    assert_eq!(at("$arg8:x8"), " after=0x67");
    for name in ["^two_words", "^too_late", "^memory", "^$arg3", "a=^memory"] {
        assert_eq!(
            refusal_at("values", name),
            ArgumentRefusal::ByValue,
            "{name}"
        );
    }
    assert_eq!(shown_at("vector", "first", &hit), " first=1");
    assert_eq!(refusal_at("vector", "^second"), ArgumentRefusal::ByValue);
}

#[test]
pub fn refused_names() {
    use ArgumentRefusal::*;
    for (marked, reason) in [
        ("^none", NoParameter),
        ("^nodes", NoParameter),
        ("a=^none->x", NoParameter),
        ("^node.pair", NoParameter),
        ("^$arg5", NoParameter),
        ("^$arg0", BadArgumentNumber),
        ("^count->x", NoPointer),
        ("^raw->x", NoPointer),
        ("node->^none", NoMember),
        ("count:^string", NoText),
        ("raw:^string", NoText),
        ("count ^count", NameInUse),
        ("$arg* ^$arg*", NameInUse),
        ("count:^u65", BadType),
        ("count:^u8[2]", NotInMemory),
    ] {
        assert_eq!(refusal_at("work", marked), reason, "{marked}");
    }
    assert_eq!(refusal_at("nothing", "^$arg*"), NoParameter);
    assert_eq!(refusal_at("unknown", "^$arg*"), NoTypes);
}

/// The column is the offset in the whole line.
#[test]
pub fn columns_of_a_line() {
    let line = b"p:x vfs_read %di  a=%bad";
    let error = Arguments::<Heap>::parse(line, 13, ProbePlace::Inside, &hit::Facts).err();
    let expected = ArgumentError {
        column: 20,
        reason: ArgumentRefusal::BadRegister,
    };
    assert_eq!(error, Some(expected));
}

#[test]
pub fn error_numbers() {
    use ArgumentRefusal::*;
    assert_eq!(BadFetch.errno(), errno::EINVAL);
    assert_eq!(UnknownSymbol.errno(), errno::ENOENT);
    assert_eq!(EventTooBig.errno(), errno::E2BIG);
    assert_eq!(OutOfMemory.errno(), errno::ENOMEM);
}

#[test]
pub fn limits() {
    let many = |count: usize| "%di:u8 ".repeat(count);
    assert_eq!(compile(&many(ARGUMENTS_MAX)).len(), ARGUMENTS_MAX);
    let refused = format!("^{}", many(ARGUMENTS_MAX + 1));
    assert_eq!(
        refusal(&refused, ProbePlace::Entry),
        ArgumentRefusal::TooManyArguments
    );
    let full = "+0(%di):u64[64] ".repeat(6);
    assert_eq!(compile(&full).fixed_len(), HEAD + FIXED_MAX);
    let over = format!("{full} a=^%di:u8");
    assert_eq!(
        refusal(&over, ProbePlace::Entry),
        ArgumentRefusal::EventTooBig
    );
    assert_eq!(compile(&format!("a=\\{}", "0".repeat(254))).len(), 1);
    assert_eq!(compile(&format!("{}=%di", "a".repeat(32))).len(), 1);
    let deep = format!("{}%di{}", "+0(".repeat(8), ")".repeat(8));
    assert_eq!(compile(&deep).len(), 1);
}

#[test]
pub fn differences() {
    let difference = |one, other| compile(one).first_difference(&compile(other));
    assert_eq!(difference("a=%di b=%si", "a=%cx b=\\1"), None);
    assert_eq!(difference("a=%di b=%si", "a=%di c=%si"), Some(1));
    assert_eq!(difference("a=%di b=%si", "a=%di"), Some(1));
    assert_eq!(difference("", "a=%di"), Some(0));
    assert_eq!(difference("a=%di:u8", "a=%di:u16"), Some(0));
    assert_eq!(difference("a=+0(%di):u8[2]", "a=+0(%di):u8[3]"), Some(0));
}
