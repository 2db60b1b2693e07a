import { describe, test } from 'vitest'

/** Marks a test that `npm test` leaves out, and part `deep` of `.ci/run` has: `vitest.config.ts` says what is deep. */
export const deep = { tags: ['deep'] }

type Values<Case> = Case extends readonly unknown[] ? { -readonly [At in keyof Case]: Case[At] } : [Case]

/** So many cases, spread evenly, stand for all in `npm test`: the others are deep. */
interface Quick {
  quick: number
}

/** `test.each` of many cases. */
export const eachCase =
  <const Case>(cases: readonly Case[], quick: Quick) =>
  (title: string, work: (...values: Values<Case>) => unknown): void => {
    for (const { one, options } of marked(cases, quick))
      test.each([one])(title, options, work as (value: unknown) => void)
  }

/** `describe.each` of many cases. */
export const eachGroup =
  <const Case>(cases: readonly Case[], quick: Quick) =>
  (title: string, work: (...values: Values<Case>) => void): void => {
    for (const { one, options } of marked(cases, quick))
      describe.each([one])(title, options, work as (value: unknown) => void)
  }

const marked = <Case>(cases: readonly Case[], { quick }: Quick) =>
  cases.map((one, at) => ({ one, options: at % Math.ceil(cases.length / quick) === 0 ? {} : deep }))
