/** Loaded into a program before it runs: the wall clock is CLOCK_SHIFT ms off, as after a step of the clock. */
const shift = Number(process.env.CLOCK_SHIFT)
const Original = Date

class Shifted extends Original {
  constructor(...args: ConstructorParameters<typeof Date> | []) {
    if (args.length === 0) super(Original.now() + shift)
    else super(...args)
  }

  static override now(): number {
    return Original.now() + shift
  }
}

globalThis.Date = Shifted as DateConstructor
