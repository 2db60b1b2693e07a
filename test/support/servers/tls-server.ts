import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startTestServer, type TestServer } from './test-server.ts'
import { makeCertificate } from './tls.ts'

export interface TlsServer extends TestServer {
  /** The server's certificate, which is its own root (PEM). */
  root: string
}

/** A server of its own that speaks TLS, for the address 127.0.0.1. `hba` is its pg_hba.conf. */
export async function startTlsServer({ hba }: { hba?: string } = {}): Promise<TlsServer> {
  let root = ''
  const server = await startTestServer({
    parameters: { ssl: 'on' },
    prepare(data, user) {
      const { certificate, key } = makeCertificate(data, 'IP:127.0.0.1')
      root = readFileSync(certificate, 'utf8')
      chmodSync(key, 0o600)
      if (hba !== undefined) writeFileSync(join(data, 'pg_hba.conf'), hba)
      for (const file of [certificate, key]) user.own(file)
    },
  })
  return { ...server, root }
}
