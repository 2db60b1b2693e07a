import { once } from 'node:events'
import { request } from 'node:http'
import { buffer } from 'node:stream/consumers'

// Loaded into the command line before everything else (`node --import`): only AWS's name servers know the API's address, so
// what is sent there goes to the emulator, which tells APIs by the name in `Host`. `fetch` cannot send another `Host`.

const { fetch } = globalThis
const { EMULATOR_URL = '' } = process.env

globalThis.fetch = async (input, init) => {
  const sent = new Request(input, init)
  const { host, pathname, search } = new URL(sent.url)
  if (!host.includes('.execute-api.')) return fetch(input, init)
  const asked = request(new URL(`${pathname}${search}`, EMULATOR_URL), {
    method: sent.method,
    headers: { ...Object.fromEntries(sent.headers), host },
  })
  asked.end(new Uint8Array(await sent.arrayBuffer()))
  const [answer] = await once(asked, 'response')
  return new Response(new Uint8Array(await buffer(answer)), {
    status: answer.statusCode,
    headers: answer.headers,
  })
}
