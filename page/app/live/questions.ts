import { makeStore } from '../store/store.ts'

/** What the page asks before it does something that hurts. */
export interface Question {
  title: string
  text: string
  /** The word on the button that does it. */
  yes: string
  answer(yes: boolean): void
}

export const question = makeStore<Question | null>(null)

/** Asks, and resolves with whether the person said yes. */
export const ask = (words: Omit<Question, 'answer'>): Promise<boolean> =>
  new Promise((resolve) =>
    question.set({
      ...words,
      answer(yes) {
        question.set(null)
        resolve(yes)
      },
    }),
  )
