-- Campaigns before and while they are live: which states follow which, and that a draft that is
-- published is the one that was submitted. The constraints of the tables say what a row may be;
-- this says how it may change.

-- What one person may start alone; a program without a policy has this.
CREATE OR REPLACE FUNCTION public.campaign_limit(p_program bigint) RETURNS bigint
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN coalesce((SELECT p.budget_points_alone FROM public.campaigns_campaignpolicy p
                   WHERE p.program_id = p_program), 10000);
END $$;

-- The same table as campaigns/lifecycle.py.
CREATE OR REPLACE FUNCTION public.campaign_judged() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status = 'in_review' THEN
      RAISE EXCEPTION 'a campaign is reviewed after it was written'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'campaigns_campaign_course';
    END IF;
  ELSIF NEW.status <> OLD.status AND NOT NEW.status = ANY (CASE OLD.status
      WHEN 'draft' THEN ARRAY['in_review', 'scheduled', 'active', 'paused', 'ended', 'archived']
      WHEN 'in_review' THEN ARRAY['draft', 'scheduled', 'active', 'paused', 'ended', 'archived']
      WHEN 'scheduled' THEN ARRAY['active', 'paused', 'ended', 'archived']
      WHEN 'active' THEN ARRAY['scheduled', 'paused', 'ended', 'archived']
      WHEN 'paused' THEN ARRAY['scheduled', 'active', 'ended', 'archived']
      WHEN 'ended' THEN ARRAY['scheduled', 'active', 'paused', 'archived']
      ELSE ARRAY[]::text[] END) THEN
    RAISE EXCEPTION 'a campaign that is % cannot become %', OLD.status, NEW.status
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'campaigns_campaign_course';
  END IF;
  RETURN NEW;
END $$;

-- A draft is edited while nobody reviews it. What it costs and what one person may start alone
-- are written here, so that nobody states them; from the submission on they stay.
CREATE OR REPLACE FUNCTION public.campaign_draft_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  is_submitted boolean := TG_OP = 'UPDATE' AND OLD.state <> 'draft';
BEGIN
  IF TG_OP = 'INSERT' AND NEW.state <> 'draft' THEN
    RAISE EXCEPTION 'a draft begins as a draft'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'campaigns_campaigndraft_course';
  END IF;
  IF TG_OP = 'UPDATE' AND (
      OLD.state || ' ' || NEW.state NOT IN ('draft draft', 'draft in_review', 'draft published',
        'draft discarded', 'in_review in_review', 'in_review draft', 'in_review published',
        'in_review discarded', 'published published', 'discarded discarded')
      OR (NEW.id, NEW.campaign_id, NEW.author_id, NEW.created_at)
         IS DISTINCT FROM (OLD.id, OLD.campaign_id, OLD.author_id, OLD.created_at)
      OR (is_submitted AND (NEW.body, NEW.base, NEW.base_version, NEW.edited_by_id, NEW.edited_at,
            NEW.submitted_at, NEW.source_id) IS DISTINCT FROM
          (OLD.body, OLD.base, OLD.base_version, OLD.edited_by_id, OLD.edited_at,
            OLD.submitted_at, OLD.source_id))
      OR (NEW.decided_by_id IS NOT NULL AND OLD.decided_by_id IS NULL
          AND OLD.state <> 'in_review')
      OR (OLD.state = 'in_review' AND NEW.state = 'published' AND NEW.decided_by_id IS NULL)
      OR (OLD.state = 'draft' AND NEW.state <> 'draft' AND NEW.body IS DISTINCT FROM OLD.body)
      OR (OLD.state IN ('published', 'discarded')
          AND (NEW.version_id, NEW.decided_by_id, NEW.decided_at, NEW.answer)
              IS DISTINCT FROM (OLD.version_id, OLD.decided_by_id, OLD.decided_at, OLD.answer)))
  THEN
    RAISE EXCEPTION 'a draft keeps its course, and from its review on what it says'
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'campaigns_campaigndraft_course';
  END IF;
  IF is_submitted THEN
    NEW.budget_points := OLD.budget_points;
    NEW.limit_points := OLD.limit_points;
  ELSE
    NEW.budget_points := (NEW.body ->> 'budget_points')::bigint;
    NEW.limit_points := public.campaign_limit((SELECT c.program_id
      FROM public.campaigns_campaign c WHERE c.id = NEW.campaign_id));
  END IF;
  -- What one person starts alone within a day counts together, or a large budget would be had in
  -- parts; another version of the same campaign is no other campaign.
  IF TG_OP = 'UPDATE' AND NEW.state = 'published' AND OLD.state = 'draft'
     AND NEW.budget_points + coalesce((
       SELECT sum(t.most) FROM (
         SELECT max(d.budget_points) AS most
         FROM public.campaigns_campaigndraft d
         JOIN public.campaigns_campaignversion v ON v.id = d.version_id
         WHERE d.state = 'published' AND d.decided_by_id IS NULL
           AND d.campaign_id <> NEW.campaign_id
           AND NEW.edited_by_id IN (d.author_id, d.edited_by_id)
           AND v.published_at > (SELECT n.published_at - interval '1 day'
             FROM public.campaigns_campaignversion n WHERE n.id = NEW.version_id)
         GROUP BY d.campaign_id) t), 0) > NEW.limit_points THEN
    RAISE EXCEPTION 'a second person agrees to what goes beyond the limit of one'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'campaigns_campaigndraft_above_limit';
  END IF;
  IF NEW.body ->> 'code' IS DISTINCT FROM (SELECT c.code FROM public.campaigns_campaign c
                                           WHERE c.id = NEW.campaign_id)
     OR (NEW.version_id IS NOT NULL AND NOT EXISTS (
       SELECT FROM public.campaigns_campaignversion v
       WHERE v.id = NEW.version_id AND v.campaign_id = NEW.campaign_id)) THEN
    RAISE EXCEPTION 'a draft is one of its own campaign'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'campaigns_campaigndraft_own';
  END IF;
  RETURN NEW;
END $$;
