import { makeStore } from '../store/store.ts'

/** Whether the last request was answered, and when one was answered last, by the server's clock (epoch milliseconds). */
export const connection = makeStore<{ answers: boolean; answeredAt: number | null }>({
  answers: true,
  answeredAt: null,
})

/** Why the server asks for a token, in words; empty if it asks for none. */
export const tokenAsked = makeStore('')

/** Notes that a request was answered, whatever the answer says, and the `Date` that it bears. */
export const noteAnswer = (date: string | null): void =>
  connection.set({ answers: true, answeredAt: serverTime(Date.parse(date ?? ''), Date.now()) })

/** Notes that a request was not answered. */
export const noteSilence = (): void =>
  connection.set({ answers: false, answeredAt: connection.get().answeredAt })

/** The moment from which ages are counted: that of the last answer, so that they fit those which the server has counted. */
export const now = (): number => connection.get().answeredAt ?? Date.now()

/** An answer bears whole seconds: where the clock here says about the same, it says it more finely. */
export const serverTime = (theirs: number, ours: number): number =>
  Math.abs(theirs - ours) > 2000 ? theirs : ours
