;; AdamW over one chunk, four float32 numbers at a time. `npx vitest run packages/policy/test/engine/adamw-kernel.test.ts`
;; assembles this file and compares it with the bytes in adamw-kernel.ts; it prints them where they differ.
;; Memory: four blocks of 65536 bytes, value · gradient · mean · variance. A chunk is a multiple of 16 bytes.
(module
  (memory (export "memory") 4)

  ;; mean ← β1·mean + (1 − β1)·g, variance ← β2·variance + (1 − β2)·g², value ← keep·value − rate·mean / (correction·√variance + ε), g = scale·gradient
  (func (export "step")
    (param $bytes i32) (param $scale f32) (param $beta1 f32) (param $beta2 f32)
    (param $rate f32) (param $correction f32) (param $epsilon f32) (param $keep f32)
    (local $at i32) (local $g v128) (local $mean v128) (local $variance v128)
    (loop $next
      (local.set $g (f32x4.mul (v128.load offset=65536 (local.get $at)) (f32x4.splat (local.get $scale))))
      (v128.store offset=131072 (local.get $at) (local.tee $mean (f32x4.add
        (f32x4.mul (f32x4.splat (local.get $beta1)) (v128.load offset=131072 (local.get $at)))
        (f32x4.mul (f32x4.splat (f32.sub (f32.const 1) (local.get $beta1))) (local.get $g)))))
      (v128.store offset=196608 (local.get $at) (local.tee $variance (f32x4.add
        (f32x4.mul (f32x4.splat (local.get $beta2)) (v128.load offset=196608 (local.get $at)))
        (f32x4.mul (f32x4.mul (f32x4.splat (f32.sub (f32.const 1) (local.get $beta2))) (local.get $g)) (local.get $g)))))
      (v128.store (local.get $at) (f32x4.sub
        (f32x4.mul (f32x4.splat (local.get $keep)) (v128.load (local.get $at)))
        (f32x4.div
          (f32x4.mul (f32x4.splat (local.get $rate)) (local.get $mean))
          (f32x4.add
            (f32x4.mul (f32x4.splat (local.get $correction)) (f32x4.sqrt (local.get $variance)))
            (f32x4.splat (local.get $epsilon))))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $bytes)))))

  ;; the sum of squares of the first block, in float64
  (func (export "squares") (param $bytes i32) (result f64)
    (local $at i32) (local $x v128) (local $low v128) (local $high v128)
    (loop $next
      (local.set $x (v128.load (local.get $at)))
      (local.set $low (f64x2.add (local.get $low)
        (f64x2.mul (f64x2.promote_low_f32x4 (local.get $x)) (f64x2.promote_low_f32x4 (local.get $x)))))
      (local.set $x (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $x) (local.get $x)))
      (local.set $high (f64x2.add (local.get $high)
        (f64x2.mul (f64x2.promote_low_f32x4 (local.get $x)) (f64x2.promote_low_f32x4 (local.get $x)))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $bytes))))
    (local.set $low (f64x2.add (local.get $low) (local.get $high)))
    (f64.add (f64x2.extract_lane 0 (local.get $low)) (f64x2.extract_lane 1 (local.get $low)))))
