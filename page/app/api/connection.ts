import { makeStore } from '../store/store.ts'

/** Whether the last request was answered, and when one was answered last (epoch milliseconds). */
export const connection = makeStore<{ answers: boolean; answeredAt: number | null }>({
  answers: true,
  answeredAt: null,
})

/** Notes whether a request was answered, whatever the answer says. */
export const noteAnswer = (answered: boolean): void =>
  connection.set({ answers: answered, answeredAt: answered ? Date.now() : connection.get().answeredAt })
