import { chmod, chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { major } from './rds.ts'
import { makeCertificate } from './tls.ts'

export interface TlsServer extends EmbeddedPostgres {
  /** The server's certificate, which is its own root (PEM). */
  root: string
  /** What the server has logged. */
  log(): Promise<string>
}

/** A server of its own that speaks TLS, for the address 127.0.0.1. `hba` is its pg_hba.conf. */
export async function startTlsServer({ hba }: { hba?: string } = {}): Promise<TlsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-tls-'))
  const { certificate, key } = makeCertificate(folder, 'IP:127.0.0.1')
  const hbaFile = join(folder, 'pg_hba.conf')
  if (hba !== undefined) await writeFile(hbaFile, hba)
  const version = major as 18
  // The first start makes the data folder. The server runs as the owner of that folder.
  await (await startEmbeddedPostgres({ folder, version })).stop()
  const { uid, gid } = await stat(join(folder, `postgres-${version}`))
  await chmod(folder, 0o755)
  await chown(key, uid, gid)
  await chmod(key, 0o600)
  const parameters = {
    fsync: 'off',
    ssl: 'on',
    ssl_cert_file: certificate,
    ssl_key_file: key,
    ...(hba !== undefined && { hba_file: hbaFile }),
  }
  const server = await startEmbeddedPostgres({ folder, version, parameters })
  return {
    ...server,
    root: await readFile(certificate, 'utf8'),
    log: () => readFile(join(folder, `postgres-${version}.log`), 'utf8'),
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
