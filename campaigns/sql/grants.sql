-- What the role of the site may do with the tables of campaigns. Run after every migration;
-- a repeat changes nothing. What was published or awarded is never rewritten.
REVOKE UPDATE, DELETE, TRUNCATE ON public.campaigns_ruleversion, public.campaigns_publication,
  public.campaigns_award, public.campaigns_awardreversal, public.campaigns_rulegrant,
  public.campaigns_rulegrantreversal FROM {site};
REVOKE DELETE, TRUNCATE ON public.campaigns_limitcounter FROM {site};
-- What a campaign was and who did what is kept; drafts are discarded by a state.
REVOKE UPDATE, DELETE, TRUNCATE ON
  public.campaigns_campaignversion, public.campaigns_campaignstep FROM {site};
REVOKE DELETE, TRUNCATE ON public.campaigns_campaigndraft, public.campaigns_campaign FROM {site};
-- What was announced stays; only when it was taken or withdrawn is added.
REVOKE UPDATE, DELETE, TRUNCATE ON public.campaigns_announcedchange FROM {site};
GRANT UPDATE (taken_at, withdrawn_at) ON public.campaigns_announcedchange TO {site};
