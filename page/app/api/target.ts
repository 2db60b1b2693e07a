import { makeStore } from '../store/store.ts'

/** `GET /page.json`: the environment that the page shows. */
export interface Target {
  name: string
  environment: string | null
  url: string
  /** What a command has to say, so that it works on this environment: `--env local`. */
  flags?: string
  /** Whether `GET /events` streams events. */
  events?: true
}

/** What the page shows, once it is known. */
export const target = makeStore<Target | undefined>(undefined)
