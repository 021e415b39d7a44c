import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';

type TabsProps<T extends string> = {
  readonly tabs: readonly T[];
  readonly chosen: T;
  readonly label: string;
  /** What stands beside a tab's name; undefined: nothing. */
  readonly beside?: (tab: T) => string | undefined;
  readonly choose: (tab: T) => void;
  readonly children: ComponentChildren;
};

/** Tabs and the panel of the chosen one. One stop of the tab key; the arrows, Home and End choose. */
export function Tabs<T extends string>({ tabs, chosen, label, beside, choose, children }: TabsProps<T>) {
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent, from: T): void => {
    const at = tabs.indexOf(from);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
    const next = to === undefined ? undefined : tabs.at(to % tabs.length);
    if (next === undefined) return;
    event.preventDefault();
    choose(next);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next}"]`)?.focus();
  };
  return (
    <>
      <div class="tabs" role="tablist" aria-label={label} ref={list}>
        {tabs.map((tab) => (
          <button
            type="button"
            role="tab"
            key={tab}
            id={`tab-${tab}`}
            data-tab={tab}
            aria-selected={tab === chosen}
            aria-controls="panel"
            tabIndex={tab === chosen ? 0 : -1}
            onClick={() => choose(tab)}
            onKeyDown={(event) => move(event, tab)}
          >
            {tab}
            {beside?.(tab) === undefined ? null : <span class="count">{beside(tab)}</span>}
          </button>
        ))}
      </div>
      <div class="panel" role="tabpanel" id="panel" aria-labelledby={`tab-${chosen}`}>
        {children}
      </div>
    </>
  );
}
