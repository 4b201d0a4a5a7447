-- One row per learner and course run whose row in an older download counts.
-- edX can list verified learners only: whom such downloads leave out is still in the run.
{{ config(materialized='table') }}

with

downloads as (
    select * from {{ ref('int_downloads') }}
),

downloaded_rows as (
    select * from {{ ref('int_downloaded_rows') }}
),

-- the newest download with auditors, where later ones have none
runs_without_auditors as (
    select
        course_instance,
        max(download_number) filter (where lists_auditors) as full_number,
        max(download_count) as newest_number
    from downloads
    group by course_instance
    having full_number < newest_number
),

rows_of_these_runs as (
    select
        downloaded_rows.*,
        runs.full_number
    from downloaded_rows
    inner join runs_without_auditors as runs on downloaded_rows.course_instance = runs.course_instance
    where downloaded_rows.download_number >= runs.full_number
),

full_rows as (
    select * from rows_of_these_runs
    where download_number = full_number
),

later_rows as (
    select * from rows_of_these_runs
    where download_number > full_number
),

final as (
    select
        full_rows.file_id,
        full_rows.learner_id,
        full_rows.course_instance,
        newest_downloads.file_id as used_file_id
    from full_rows
    inner join downloads as newest_downloads
        on
            full_rows.course_instance = newest_downloads.course_instance
            and newest_downloads.download_number = newest_downloads.download_count
    where
        not exists (
            select 1 from later_rows
            where
                later_rows.course_instance = full_rows.course_instance
                and later_rows.learner_id = full_rows.learner_id
        )
        -- on a track that later downloads do list, who is missing is gone
        and not exists (
            select 1 from later_rows
            where
                later_rows.course_instance = full_rows.course_instance
                and later_rows.enrollment_track is not distinct from full_rows.enrollment_track
        )
)

select * from final
