import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** The program that opens an address in the browser, with its first arguments; undefined if there is no screen. */
function openerOf(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): [string, ...string[]] | undefined {
  if (platform === 'darwin') return ['open']
  // `start` is no program but a word of the shell, which would read `%` and `&` in an address in its own way.
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
  return env.DISPLAY || env.WAYLAND_DISPLAY ? ['xdg-open'] : undefined
}

/** Opens an address in the browser of this machine. False: it has no screen, or no program that opens addresses. */
export async function openBrowser(address: string): Promise<boolean> {
  const opener = openerOf(process.platform, process.env)
  if (opener === undefined) return false
  const [program, ...first] = opener
  const child = spawn(program, [...first, address], { stdio: 'ignore', detached: true })
  try {
    await once(child, 'spawn')
  } catch {
    return false
  }
  child.unref()
  return true
}
