import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/**
 * Makes a certificate of its own authority for these names or addresses in `folder`, as `openssl req` writes
 * it.
 */
export function makeCertificate(
  folder: string,
  alternativeNames: string,
): { certificate: string; key: string } {
  const certificate = join(folder, 'server.crt')
  const key = join(folder, 'server.key')
  execFileSync(
    'openssl',
    [
      'req',
      '-new',
      '-x509',
      '-days',
      '2',
      '-nodes',
      '-subj',
      '/CN=viewkeeper test',
      '-addext',
      `subjectAltName=${alternativeNames}`,
      '-keyout',
      key,
      '-out',
      certificate,
    ],
    { stdio: 'ignore' },
  )
  return { certificate, key }
}
