import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A small disk that can be filled. */
export interface Disk {
  folder: string
  /** Takes every byte that is free. */
  fill(): Promise<void>
  free(): Promise<void>
  unmount(): void
}

/** Mounts a small disk, in memory. Undefined if this machine does not let us. */
export function mountDisk(bytes: number): Disk | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-disk-'))
  const root = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  const asRoot = (...command: string[]) => {
    const [file, ...args] = [...root, ...command]
    execFileSync(file!, args, { stdio: 'ignore' })
  }
  try {
    asRoot('mount', '-t', 'tmpfs', '-o', `size=${bytes},mode=777`, 'viewkeeper', folder)
  } catch {
    rmSync(folder, { recursive: true })
    return undefined
  }
  const filler = join(folder, 'filler')
  return {
    folder,
    async fill() {
      const file = openSync(filler, 'w')
      for (const size of [1 << 20, 1 << 12]) {
        try {
          for (const piece = Buffer.alloc(size); ; ) writeSync(file, piece)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        }
      }
      closeSync(file)
    },
    free: async () => rmSync(filler, { force: true }),
    unmount() {
      asRoot('umount', '--lazy', folder)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
