//! Components in the text format: minimal modules as a C compiler without a library would make
//! them, and what it takes to lift their `run` and to lower the host's calls to them.

/// The type of `run`.
const LIFT: &str = r#"
    (func $run (result (result (error string)))
        (canon lift (core func $i "run") (memory (core memory $libc "memory")) POST))
    (export "run" (func $run))"#;

/// Memory with a bump allocator.
const LIBC: &str = r#"
    (core module $Libc
        (memory (export "memory") 2)
        (global $next (mut i32) (i32.const 4096))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and
                (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
                (i32.sub (i32.const 0) (local.get 2))))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (loop $more
                (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
                    (then (drop (memory.grow (i32.const 16))) (br $more))))
            (local.get $at)))
    (core instance $libc (instantiate $Libc))"#;

/// A component without imports: fields of its core module, and the code of `run`.
pub fn bare(fields: &str, run: &str) -> Vec<u8> {
    with_post(fields, run, "")
}

/// As [`bare`], with a `post-return`.
pub fn with_post(fields: &str, run: &str, post: &str) -> Vec<u8> {
    let (function, option) = match post {
        "" => (String::new(), ""),
        code => (
            format!("(func (export \"post\") (param i32) {code})"),
            "(post-return (core func $i \"post\"))",
        ),
    };
    parse(&format!(
        r#"(component {LIBC}
            (core module $M
                (import "libc" "memory" (memory 1))
                {fields}
                (func (export "run") (result i32) {run})
                {function})
            (core instance $i (instantiate $M (with "libc" (instance $libc))))
            {})"#,
        LIFT.replace("POST", option)
    ))
}

/// A component with the imports of `IMPORTS`, lowered as `$send`, `$receive`, `$log`, `$sign`,
/// `$post`, `$drop`, `$pay`; `realloc` may be another one.
pub fn calling(run: &str) -> Vec<u8> {
    calling_with(run, LIBC)
}

/// As [`calling`], with this memory and allocator.
pub fn calling_with(run: &str, libc: &str) -> Vec<u8> {
    calling_after(run, libc, "")
}

/// As [`calling`], with a `post-return` that may call the host.
pub fn calling_post(run: &str, post: &str) -> Vec<u8> {
    calling_after(run, LIBC, post)
}

fn calling_after(run: &str, libc: &str, post: &str) -> Vec<u8> {
    let option = if post.is_empty() { "" } else { "(post-return (core func $i \"post\"))" };
    let lift = LIFT.replace("POST", option);
    parse(&format!(
        r#"(component
    (import "semper:tinguin/consent@1.0.0" (instance $consent
        (export "consent" (type $consent (sub resource)))
        (export "payment-consent" (type $payment (sub resource)))))
    (alias export $consent "consent" (type $held))
    (alias export $consent "payment-consent" (type $paying))
    (import "semper:transfer/statements@1.0.0" (instance $statements
        (alias outer 1 $held (type $h))
        (export "consent" (type $c (eq $h)))
        (export "statement" (type $s (sub resource)))
        (export "send" (func (param "by" (own $c)) (result (own $s))))
        (export "[method]statement.signer" (func (param "self" (borrow $s)) (result string)))))
    (alias export $statements "statement" (type $statement))
    (import "semper:transfer/information@1.0.0" (instance $information
        (export "send" (func (param "kind" string) (param "body" (list u8))))
        (export "receive" (func (result (tuple string (list u8)))))))
    (import "semper:deal/deal@1.1.0" (instance $deal
        (export "log" (func (param "text" string)))
        (export "id" (func (result string)))))
    {libc}
    (core func $send (canon lower (func $information "send")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $receive (canon lower (func $information "receive")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $log (canon lower (func $deal "log")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $id (canon lower (func $deal "id")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $post (canon lower (func $statements "send")))
    (core func $signer (canon lower (func $statements "[method]statement.signer")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $drop (canon resource.drop $held))
    (core func $drop-paying (canon resource.drop $paying))
    (core module $M
        (import "libc" "memory" (memory 1))
        (import "host" "send" (func $send (param i32 i32 i32 i32)))
        (import "host" "receive" (func $receive (param i32)))
        (import "host" "log" (func $log (param i32 i32)))
        (import "host" "id" (func $id (param i32)))
        (import "host" "post" (func $post (param i32) (result i32)))
        (import "host" "signer" (func $signer (param i32 i32)))
        (import "host" "drop" (func $drop (param i32)))
        (import "host" "drop-paying" (func $drop-paying (param i32)))
        (data (i32.const 64) "note")
        (data (i32.const 72) "\ff\fe\fd\fc")
        (data (i32.const 80) "semper/end")
        (func (export "post") (param i32) {post})
        (func (export "run") (result i32) {run}))
    (core instance $i (instantiate $M (with "libc" (instance $libc)) (with "host" (instance
        (export "send" (func $send)) (export "receive" (func $receive))
        (export "log" (func $log)) (export "id" (func $id)) (export "post" (func $post))
        (export "signer" (func $signer)) (export "drop" (func $drop))
        (export "drop-paying" (func $drop-paying))))))
    {lift})"#
    ))
}

/// A component that imports an interface and returns well.
pub fn importing(interface: &str) -> Vec<u8> {
    parse(&format!(
        r#"(component
            (import "{interface}" (instance))
            (core module $m
                (memory (export "memory") 1)
                (func (export "run") (result i32) (i32.const 16)))
            (core instance $i (instantiate $m))
            (func $run (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $i "memory"))))
            (export "run" (func $run)))"#
    ))
}

/// A memory whose allocator is this code.
pub fn libc(realloc: &str) -> String {
    format!(
        r#"(core module $Libc
            (memory (export "memory") 2)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc}))
        (core instance $libc (instantiate $Libc))"#
    )
}

/// The bytes of a text.
pub fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
