/** Who listens to `GET /events`. */
export interface Listener {
  /** What was heard so far. */
  heard: { id: string | undefined; event: string; data: Record<string, unknown> }[]
  /** Settles when the gateway has ended the stream; fails if it broke off. */
  ended: Promise<void>
  leave(): void
}

/** Listens to the events of a gateway as a browser does, from those after `last` on. */
export async function listenTo(url: string, last?: string): Promise<Listener> {
  const leave = new AbortController()
  const headers = last === undefined ? {} : { 'last-event-id': last }
  const response = await fetch(`${url}/events`, { headers, signal: leave.signal })
  if (!response.ok || !response.body) throw new Error(`${response.status} ${await response.text()}`)
  const heard: Listener['heard'] = []
  const read = async (body: AsyncIterable<Uint8Array>) => {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of body) {
      const messages = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
      rest = messages.pop() ?? ''
      for (const message of messages) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(message)?.[1]
        const event = field('event')
        if (event) heard.push({ id: field('id'), event, data: JSON.parse(field('data') ?? '') })
      }
    }
  }
  const ended = read(response.body)
  ended.catch(() => {}) // the listener has left
  return { heard, ended, leave: () => leave.abort() }
}
