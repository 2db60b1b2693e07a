import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startTestServer, type TestServer } from './test-server.ts'
import { makeCertificate } from './tls.ts'

export interface TlsServer extends TestServer {
  /** The server's certificate, which is its own root (PEM). */
  root: string
}

/** A server of its own that speaks TLS, under its address or another name. `hba` is its pg_hba.conf. */
export async function startTlsServer({
  hba,
  name = 'IP:127.0.0.1',
  sockets,
}: {
  hba?: string
  name?: string
  /** The folder of its socket. */
  sockets?: string
} = {}): Promise<TlsServer> {
  let root = ''
  const server = await startTestServer({
    parameters: { ssl: 'on', ...(sockets && { unix_socket_directories: sockets }) },
    prepare(data, user) {
      const { certificate, key } = makeCertificate(data, name)
      root = readFileSync(certificate, 'utf8')
      chmodSync(key, 0o600)
      if (hba !== undefined) writeFileSync(join(data, 'pg_hba.conf'), hba)
      for (const file of [certificate, key]) user.own(file)
    },
  })
  return { ...server, root }
}
