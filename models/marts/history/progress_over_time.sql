-- One row per course run and download.
with

downloaded_rows as (
    select * from {{ ref('int_downloaded_rows') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

final as (
    select
        downloaded.course,
        downloaded.course_instance,
        downloaded.reported_at,
        downloaded.download_number::integer as download_number,
        count(*) filter (where coalesce(downloaded.enrollment_status, '') != 'unenrolled') as enrolled,
        count(*) filter (where downloaded.grade > 0) as attempted,
        count(*) filter (
            where downloaded.certificate_eligible = 'Y' or downloaded.grade >= courses.pass_grade
        ) as passed,
        count(*) filter (where enrollment_tracks.is_verified = 'true') as verified,
        count(*) filter (where downloaded.certificate_eligible = 'Y') as certificate_eligible,
    from downloaded_rows as downloaded
    inner join courses on downloaded.course = courses.course
    left join enrollment_tracks on downloaded.enrollment_track = enrollment_tracks.track
    group by
        downloaded.course, downloaded.course_instance, downloaded.reported_at, downloaded.download_number
)

select * from final
