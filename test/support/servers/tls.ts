import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Makes a self-signed certificate for these names or addresses in `folder`, with `openssl req`. */
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
